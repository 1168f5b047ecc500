package main

import "strings"

// countryCode returns the two-letter code that Stripe wants, or "" when the
// text names no country that we know; the address then goes without one.
func countryCode(text string) string {
	text = strings.TrimSpace(text)
	if code, ok := countries[strings.ToLower(strings.ReplaceAll(text, ".", ""))]; ok || len(text) != 2 {
		return code
	}
	return strings.ToUpper(text)
}

// countries are English names as people write them, with ISO 3166-1 codes.
var countries = map[string]string{
	"argentina": "AR", "australia": "AU", "austria": "AT", "bahrain": "BH", "bangladesh": "BD", "belgium": "BE",
	"brazil": "BR", "bulgaria": "BG", "cambodia": "KH", "canada": "CA", "chile": "CL", "china": "CN",
	"colombia": "CO", "cook islands": "CK", "costa rica": "CR", "croatia": "HR", "cyprus": "CY",
	"czech republic": "CZ", "czechia": "CZ", "denmark": "DK", "egypt": "EG", "england": "GB", "estonia": "EE",
	"fiji": "FJ", "finland": "FI", "france": "FR", "germany": "DE", "ghana": "GH", "great britain": "GB",
	"greece": "GR", "guernsey": "GG", "hong kong": "HK", "hungary": "HU", "iceland": "IS", "india": "IN",
	"indonesia": "ID", "ireland": "IE", "isle of man": "IM", "israel": "IL", "italy": "IT", "japan": "JP",
	"jersey": "JE", "jordan": "JO", "kenya": "KE", "korea": "KR", "kuwait": "KW", "latvia": "LV",
	"liechtenstein": "LI", "lithuania": "LT", "luxembourg": "LU", "malaysia": "MY", "malta": "MT",
	"mauritius": "MU", "mexico": "MX", "monaco": "MC", "morocco": "MA", "netherlands": "NL", "new caledonia": "NC",
	"new zealand": "NZ", "aotearoa": "NZ", "aotearoa new zealand": "NZ", "nigeria": "NG", "northern ireland": "GB",
	"norway": "NO", "oman": "OM", "pakistan": "PK", "papua new guinea": "PG", "peru": "PE", "philippines": "PH",
	"poland": "PL", "portugal": "PT", "qatar": "QA", "romania": "RO", "samoa": "WS", "saudi arabia": "SA",
	"scotland": "GB", "serbia": "RS", "singapore": "SG", "slovakia": "SK", "slovenia": "SI",
	"solomon islands": "SB", "south africa": "ZA", "south korea": "KR", "spain": "ES", "sri lanka": "LK",
	"sweden": "SE", "switzerland": "CH", "taiwan": "TW", "thailand": "TH", "the netherlands": "NL", "tonga": "TO",
	"tunisia": "TN", "turkey": "TR", "türkiye": "TR", "uae": "AE", "uganda": "UG", "uk": "GB", "ukraine": "UA",
	"united arab emirates": "AE", "united kingdom": "GB", "united states": "US", "united states of america": "US",
	"uruguay": "UY", "usa": "US", "vanuatu": "VU", "vietnam": "VN", "wales": "GB",
}
