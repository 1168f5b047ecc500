package cli

import (
	"sync"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/ml-connector/ml-connector/connector"
)

// usageBook adds up what the calls of each connection cost and remembers what
// the service's own limits left.
type usageBook struct {
	mu   sync.Mutex
	all  map[string]connector.Usage
	desc struct{ calls, minute, day *prometheus.Desc }
}

func newUsageBook() *usageBook {
	b := &usageBook{all: map[string]connector.Usage{}}
	by := []string{"connection"}
	b.desc.calls = prometheus.NewDesc("ml_connector_service_calls_total", "Calls to the service since the host started.", by, nil)
	b.desc.minute = prometheus.NewDesc("ml_connector_service_minute_remaining", "Calls that the service leaves this minute.", by, nil)
	b.desc.day = prometheus.NewDesc("ml_connector_service_day_remaining", "Calls that the service leaves today.", by, nil)
	return b
}

func (b *usageBook) note(connection string, u connector.Usage) {
	b.mu.Lock()
	defer b.mu.Unlock()
	old := b.all[connection]
	u.Calls += old.Calls
	b.all[connection] = u
}

// of returns what is known of a connection; ok is false before its first call.
func (b *usageBook) of(connection string) (u connector.Usage, ok bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	u, ok = b.all[connection]
	return u, ok
}

// Describe implements prometheus.Collector.
func (b *usageBook) Describe(ch chan<- *prometheus.Desc) {
	ch <- b.desc.calls
	ch <- b.desc.minute
	ch <- b.desc.day
}

// Collect implements prometheus.Collector.
func (b *usageBook) Collect(ch chan<- prometheus.Metric) {
	b.mu.Lock()
	defer b.mu.Unlock()
	for name, u := range b.all {
		ch <- prometheus.MustNewConstMetric(b.desc.calls, prometheus.CounterValue, float64(u.Calls), name)
		if u.MinuteRemaining >= 0 {
			ch <- prometheus.MustNewConstMetric(b.desc.minute, prometheus.GaugeValue, float64(u.MinuteRemaining), name)
		}
		if u.DayRemaining >= 0 {
			ch <- prometheus.MustNewConstMetric(b.desc.day, prometheus.GaugeValue, float64(u.DayRemaining), name)
		}
	}
}
