"""A call's record, told: what was said, what was heard, what was decided and why."""
