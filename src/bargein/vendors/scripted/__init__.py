"""The guide: a scripted companion, no language model."""
