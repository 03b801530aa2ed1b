"""What a study did: its history, a report and figures."""
