// The package brings no types of its own.
declare module "parse-prometheus-text-format" {
  interface PlainMetric {
    labels?: Record<string, string>;
    value: string;
  }
  interface HistogramMetric {
    labels?: Record<string, string>;
    buckets: Record<string, string>;
    count: string;
    sum: string;
  }
  interface ParsedFamily {
    name: string;
    help: string;
    type: "COUNTER" | "GAUGE" | "HISTOGRAM" | "SUMMARY" | "UNTYPED";
    metrics: (PlainMetric & HistogramMetric)[];
  }
  export default function parse(text: string): ParsedFamily[];
}
