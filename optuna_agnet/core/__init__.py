"""What every other room stands on: values and small functions, in numpy alone."""
