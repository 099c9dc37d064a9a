"""Times, errors and instruction counts of cyfes beside those of its peers; see README.md."""
