package money_test

import (
	"errors"
	"fmt"

	"github.com/ml-connector/ml-connector/money"
)

func ExampleParse() {
	price, err := money.Parse("10.50", "NZD")
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(price, price.Minor())

	_, err = money.Parse("10.505", "NZD")
	fmt.Println(errors.Is(err, money.ErrPrecision))
	// Output:
	// 10.50 NZD 1050
	// true
}

func ExampleParseCurrency() {
	c, err := money.ParseCurrency("kwd")
	fmt.Println(c, c.Digits(), err)
	// Output: KWD 3 <nil>
}

func ExampleNew() {
	fee, err := money.New(345, "USD")
	fmt.Println(fee, err)
	// Output: 3.45 USD <nil>
}

func ExampleSum() {
	total, err := money.Sum("NZD", money.MustNew(1050, "NZD"), money.MustNew(-50, "NZD"))
	fmt.Println(total, err)
	// Output: 10.00 NZD <nil>
}

// A refund of 10.00 is spread over three invoice lines.
func ExampleAmount_Allocate() {
	refund := money.MustNew(1000, "NZD")
	parts, err := refund.Allocate([]int64{3333, 3333, 3333})
	fmt.Println(parts, err)
	// Output: [3.34 NZD 3.33 NZD 3.33 NZD] <nil>
}

func ExampleParseDecimal() {
	rate, err := money.ParseDecimal("1.5e-2")
	fmt.Println(rate, err)
	// Output: 0.015 <nil>
}

// Quantity times unit price is exact; making it a sum needs a rule.
func ExampleDecimal_Round() {
	quantity, _ := money.ParseDecimal("1.5")
	price, _ := money.ParseDecimal("0.75")
	exact, _ := quantity.Mul(price)
	line, err := exact.Round("NZD", money.HalfUp)
	fmt.Println(exact, line, err)
	// Output: 1.125 1.13 NZD <nil>
}
