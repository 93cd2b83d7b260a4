"""The program."""

import numpy
import pandas
import pyarrow
from scipy import signal
from sklearn.linear_model import LinearRegression

from forecast import GREETING


def main() -> None:
    """Fits a line to a noisy series and prints its slope."""
    series = pandas.Series(numpy.arange(100.0) + numpy.random.default_rng(1).normal(size=100))
    smooth = signal.savgol_filter(series, 11, 2)
    line = LinearRegression().fit(numpy.arange(100).reshape(-1, 1), smooth)
    print(GREETING, round(float(line.coef_[0]), 2), pyarrow.array(smooth).nbytes)
