"""Calls as OpenTelemetry traces, and our metrics by OTLP. Nothing here is made where `otel` is off."""
