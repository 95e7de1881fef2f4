"""How statistics of two samples vary when both samples come from one distribution."""

from __future__ import annotations

import math

import numpy as np

from monitoring.profile.distribution import FloatArray

# Mean of Kolmogorov's distribution
_MEAN_KOLMOGOROV = math.sqrt(math.pi / 2) * math.log(2)
# Mean size of a standard normal number
MEAN_FOLDED = math.sqrt(2 / math.pi)
# A path count this improbable is 0 to every digit that anybody reads.
_LEAST_EXACT = 1e-10
# Below this many rows the limit is off by more than a tenth where it matters, and counting paths is quick.
_SMALL, _MOST_EXACT = 100, 10_000


def sampling_scale(n: int, m: int) -> float:
    """1/n + 1/m: the variance that two samples of these sizes give to a difference, per unit of variance.

    >>> sampling_scale(100, 25)
    0.05
    """
    return 1 / n + 1 / m


def chi_square_tail(statistic: float, freedom: int) -> float:
    """P(X ≥ statistic) of a chi-square with `freedom` degrees of freedom; 1 where nothing is free to vary.

    >>> round(chi_square_tail(3.841458820694124, 1), 12)
    0.05
    """
    from scipy.special import chdtrc

    return float(chdtrc(freedom, max(statistic, 0.0))) if freedom > 0 else 1.0


def mean_chi(freedom: int) -> float:
    """Mean of the square root of a chi-square with `freedom` degrees of freedom.

    >>> mean_chi(0), round(mean_chi(1), 6), round(mean_chi(2), 6)
    (0.0, 0.797885, 1.253314)
    """
    if freedom < 1:
        return 0.0
    return math.sqrt(2) * math.exp(math.lgamma((freedom + 1) / 2) - math.lgamma(freedom / 2))


def normal_tails(z: float) -> float:
    """P(|Z| ≥ |z|) of a standard normal number.

    >>> round(normal_tails(1.959963984540054), 12)
    0.05
    """
    return math.erfc(abs(z) / math.sqrt(2))


def gamma_tail(ratio: float, variation: float) -> float:
    """P(X ≥ ratio × mean) of a gamma distribution whose variance is `variation` × mean².

    Integrals of a Gaussian process have no simple law; a gamma with their mean and variance comes close
    (Satterthwaite, An approximate distribution of estimates of variance components, Biometrics Bull. 2, 1946).

    >>> round(gamma_tail(3.0, 1.0), 6) == round(math.exp(-3), 6)
    True
    """
    from scipy.special import gammaincc

    return float(gammaincc(1 / variation, max(ratio, 0.0) / variation))


def folded_covariance(correlation: FloatArray) -> FloatArray:
    """Covariance of |X| and |Y| for standard normal X and Y, over the product of their means 2/π.

    >>> folded_covariance(np.array([0.0, 1.0, -1.0])).round(6).tolist()
    [0.0, 0.570796, 0.570796]
    """
    within = np.minimum(np.maximum(correlation, -1.0), 1.0)
    return np.asarray(np.sqrt(1 - within * within) + within * np.arcsin(within) - 1)


def mean_kolmogorov_smirnov(n: int, m: int) -> float:
    """Mean of the largest gap between the distribution functions of two samples of a continuous distribution.

    >>> round(mean_kolmogorov_smirnov(200, 200), 4)
    0.0869
    """
    return _MEAN_KOLMOGOROV * math.sqrt(sampling_scale(n, m))


def smirnov_p_value(gap: float, n: int, m: int) -> float:
    """P(D ≥ gap) for two samples of a continuous distribution: exact if one of them is small.

    >>> round(smirnov_p_value(0.25, 60, 60), 3)
    0.047
    """
    if min(n, m) <= _SMALL and max(n, m) <= _MOST_EXACT:
        return exact_smirnov_tail(gap, n, m)
    return smirnov_tail(gap, n, m)


def smirnov_tail(gap: float, n: int, m: int) -> float:
    """P(D ≥ gap) for two samples of a continuous distribution; too high where values repeat.

    Kolmogorov's limit with the correction for small samples of Stephens (Use of the Kolmogorov-Smirnov,
    Cramér-von Mises and related statistics without extensive tables, J. R. Stat. Soc. B 32, 1970).

    >>> round(smirnov_tail(0.25, 60, 60), 3)  # exact: 0.047
    0.039
    """
    from scipy.special import kolmogorov

    root = math.sqrt(1 / sampling_scale(n, m))
    return float(kolmogorov((root + 0.12 + 0.11 / root) * gap))


def exact_smirnov_tail(gap: float, n: int, m: int) -> float:
    """P(D ≥ gap) by counting lattice paths: each order of n + m values is a path from (0, 0) to (n, m).

    Hodges, The significance probability of the Smirnov two-sample test, Ark. Mat. 3, 1957. One step per row of
    the smaller sample, each over the columns inside the band; meant for samples of up to about 10 000.

    Args:
        gap: A gap that these sample sizes can have, a multiple of 1 / lcm(n, m).
        n: Size of one sample.
        m: Size of the other.

    >>> round(exact_smirnov_tail(1.0, 3, 3), 12)  # 2 of the 20 paths
    0.1
    >>> round(exact_smirnov_tail(2 / 3, 3, 3), 12)
    0.6
    """
    approximate = smirnov_tail(gap, n, m)
    if approximate < _LEAST_EXACT:
        return approximate
    n, m = sorted((n, m))
    divisor = math.gcd(n, m)
    rise, run = m // divisor, n // divisor
    height = round(gap * n * rise)
    if height <= 0:
        return 1.0
    # columns of row i that keep |i rise - j run| < height
    rows = np.arange(n + 1) * rise
    first = np.maximum((rows - height) // run + 1, 0).tolist()
    last = np.minimum(-((-rows - height) // run) - 1, m).tolist()
    paths, start = np.ones(last[0] + 1), 0
    logarithm = 0.0
    for i in range(1, n + 1):
        low, high = first[i], last[i]
        kept = paths[low - start :]
        if not len(kept) or low > high:
            return 1.0
        row = np.zeros(high - low + 1)
        row[: len(kept)] = kept
        paths, start = np.cumsum(row), low
        largest = paths[-1]
        paths /= largest
        logarithm += math.log(largest)
    orders = math.lgamma(n + m + 1) - math.lgamma(n + 1) - math.lgamma(m + 1)
    return min(max(-math.expm1(logarithm - orders), approximate if approximate < 1e-8 else 0.0), 1.0)
