"""What speed we promise, measured beside a floor in the same run: `make bench`."""
