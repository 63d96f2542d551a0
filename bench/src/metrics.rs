//! What the node says about itself on `/metrics`.

/// The value of a sample; 0 where it is not there.
pub(crate) fn sample(page: &str, name: &str) -> f64 {
    page.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' ')?.trim().parse().ok()).unwrap_or(0.0)
}

/// A histogram between two looks at the page: how many, and how many up to each bound.
pub(crate) struct Histogram {
    pub(crate) count: f64,
    buckets: Vec<(f64, f64)>,
}

impl Histogram {
    /// The difference of two pages. `labels` are those of the samples, in their order: `stage="Durable"`.
    pub(crate) fn between(before: &str, after: &str, name: &str, labels: &str) -> Histogram {
        let all = if labels.is_empty() { String::new() } else { format!("{{{labels}}}") };
        let difference = |name: String| sample(after, &name) - sample(before, &name);
        let start = format!("{name}_bucket{{le=\"");
        let mut buckets = Vec::new();
        for line in after.lines() {
            let Some((bound, rest)) = line.strip_prefix(&start).and_then(|rest| rest.split_once('"')) else { continue };
            let Some((others, _)) = rest.split_once("} ") else { continue };
            if others.trim_start_matches(',') == labels {
                let bound_value = bound.parse().unwrap_or(f64::INFINITY);
                buckets.push((bound_value, difference(format!("{start}{bound}\"{others}}}"))));
            }
        }
        Histogram { count: difference(format!("{name}_count{all}")), buckets }
    }

    /// Seconds that a share of all did not exceed, as far as the bounds tell: straight between two of them.
    pub(crate) fn quantile(&self, share: f64) -> f64 {
        let wanted = self.count * share;
        let (mut low, mut below) = (0.0, 0.0);
        for (bound, count) in &self.buckets {
            if *count >= wanted && *count > below {
                let within = if bound.is_finite() { (wanted - below) / (count - below) } else { 0.0 };
                return low + if bound.is_finite() { (bound - low) * within } else { 0.0 };
            }
            (low, below) = (*bound, *count);
        }
        low
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quantiles_lie_between_the_bounds() {
        let before =
            "h_count 1\nh_sum 0.001\nh_bucket{le=\"0.001\"} 1\nh_bucket{le=\"0.002\"} 1\nh_bucket{le=\"+Inf\"} 1\n";
        let after =
            "h_count 11\nh_sum 0.011\nh_bucket{le=\"0.001\"} 6\nh_bucket{le=\"0.002\"} 11\nh_bucket{le=\"+Inf\"} 11\n";
        let h = Histogram::between(before, after, "h", "");
        assert_eq!(h.count, 10.0);
        assert!((h.quantile(0.5) - 0.001).abs() < 1e-9 && (h.quantile(0.75) - 0.0015).abs() < 1e-9);
        let labelled =
            "s_bucket{le=\"1.0\",stage=\"A\"} 4\ns_bucket{le=\"1.0\",stage=\"B\"} 9\ns_count{stage=\"A\"} 4\n";
        let h = Histogram::between("", labelled, "s", "stage=\"A\"");
        assert_eq!((h.count, h.buckets.len(), h.quantile(1.0)), (4.0, 1, 1.0));
    }
}
