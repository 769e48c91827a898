"""Methods side by side on the same questions about the same films: suites, the runner, paired statistics, views."""
