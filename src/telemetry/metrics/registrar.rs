//! Makes metrics, registers them, and keeps what each is, for the documents to be held against.

use prometheus::core::Collector;
use prometheus::{
    Counter, Gauge, Histogram, HistogramOpts, HistogramVec, IntCounter, IntCounterVec, IntGauge,
    IntGaugeVec, Opts, Registry,
};

#[derive(Default)]
pub(super) struct Registrar {
    pub(super) registry: Registry,
    pub(super) described: Vec<Described>,
}

/// A metric as a table of them lists it.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Described {
    pub name: String,
    pub kind: Kind,
    pub labels: Vec<String>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Kind {
    Counter,
    Gauge,
    Histogram,
}

type Made<T> = Result<T, prometheus::Error>;

impl Registrar {
    pub(super) fn counter(&mut self, name: &str, help: &str) -> Made<IntCounter> {
        self.register(Kind::Counter, IntCounter::new(name, help)?)
    }

    pub(super) fn float_counter(&mut self, name: &str, help: &str) -> Made<Counter> {
        self.register(Kind::Counter, Counter::new(name, help)?)
    }

    pub(super) fn counters(
        &mut self,
        name: &str,
        help: &str,
        labels: &[&str],
    ) -> Made<IntCounterVec> {
        let counters = IntCounterVec::new(Opts::new(name, help), labels)?;
        self.register(Kind::Counter, counters)
    }

    pub(super) fn gauge(&mut self, name: &str, help: &str) -> Made<IntGauge> {
        self.register(Kind::Gauge, IntGauge::new(name, help)?)
    }

    pub(super) fn float_gauge(&mut self, name: &str, help: &str) -> Made<Gauge> {
        self.register(Kind::Gauge, Gauge::new(name, help)?)
    }

    pub(super) fn gauges(&mut self, name: &str, help: &str, labels: &[&str]) -> Made<IntGaugeVec> {
        let gauges = IntGaugeVec::new(Opts::new(name, help), labels)?;
        self.register(Kind::Gauge, gauges)
    }

    pub(super) fn histogram(&mut self, name: &str, help: &str, buckets: &[f64]) -> Made<Histogram> {
        let options = HistogramOpts::new(name, help).buckets(buckets.to_vec());
        self.register(Kind::Histogram, Histogram::with_opts(options)?)
    }

    pub(super) fn histograms(
        &mut self,
        name: &str,
        help: &str,
        labels: &[&str],
        buckets: &[f64],
    ) -> Made<HistogramVec> {
        let options = HistogramOpts::new(name, help).buckets(buckets.to_vec());
        self.register(Kind::Histogram, HistogramVec::new(options, labels)?)
    }

    fn register<C: Collector + Clone + 'static>(&mut self, kind: Kind, collector: C) -> Made<C> {
        for known in collector.desc() {
            self.described.push(Described {
                name: known.fq_name.clone(),
                kind,
                labels: known.variable_labels.clone(),
            });
        }
        self.registry.register(Box::new(collector.clone()))?;
        Ok(collector)
    }
}
