package cli

import (
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/ml-connector/ml-connector/connector"
)

// usageBook adds up what the calls of each connection cost and remembers what
// the service's own limits left.
type usageBook struct {
	mu   sync.Mutex
	all  map[string]usage
	desc struct{ calls, minute, day *prometheus.Desc }
}

// usage is what is known of one connection, and since when.
type usage struct {
	connector.Usage
	at time.Time
}

func newUsageBook() *usageBook {
	b := &usageBook{all: map[string]usage{}}
	by := []string{"connection"}
	b.desc.calls = prometheus.NewDesc("ml_connector_service_calls_total", "Calls to the service since the host started.", by, nil)
	b.desc.minute = prometheus.NewDesc("ml_connector_service_minute_remaining", "Calls that the service leaves this minute.", by, nil)
	b.desc.day = prometheus.NewDesc("ml_connector_service_day_remaining", "Calls that the service leaves today.", by, nil)
	return b
}

func (b *usageBook) note(connection string, u connector.Usage) {
	b.mu.Lock()
	defer b.mu.Unlock()
	u.Calls += b.all[connection].Calls
	b.all[connection] = usage{u, time.Now()}
}

// left returns how many calls the service leaves this minute; -1 when it has not
// said so within the last minute.
func (b *usageBook) left(connection string) int {
	b.mu.Lock()
	defer b.mu.Unlock()
	u, ok := b.all[connection]
	if !ok || time.Since(u.at) > time.Minute {
		return -1
	}
	return u.MinuteRemaining
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
