"""Says in one sentence what a threshold and a number come to."""

from components.evaluator.interval import Interval
from components.evaluator.slice_key import SliceKey, describe
from components.evaluator.threshold import ChangeThreshold, ValueThreshold

_MIN_DECIMALS = 3
_MAX_DECIMALS = 12


def numbers(*values: float) -> list[str]:
    """Write numbers with as few decimals as tell apart those that differ, at least 3."""
    for decimals in range(_MIN_DECIMALS, _MAX_DECIMALS):
        texts = [_fixed(value, decimals) for value in values]
        if len(set(texts)) == len(set(values)):
            return texts
    return [repr(value) for value in values]


def value_sentence(
    title: str,
    key: SliceKey,
    observed: float,
    threshold: ValueThreshold,
    interval: Interval | None = None,
) -> str:
    """Say how a value stands to its bounds, for instance «AUC overall is 0.612, below …».

    Args:
        title: of the metric.
        key: of the slice.
        observed: the value.
        threshold: what is wanted; with a confidence, of all of the interval.
        interval: of the value; None if there is none.
    """
    lower, upper = threshold.lower, threshold.upper
    where = describe(key)
    around = "" if interval is None else f" ({interval.percentage} interval {ends_of(interval)})"
    if lower is not None and observed < lower:
        seen, bound = numbers(observed, lower)
        return f"{title} {where} is {seen}{around}, below the bound {bound}"
    if upper is not None and observed > upper:
        seen, bound = numbers(observed, upper)
        return f"{title} {where} is {seen}{around}, above the bound {bound}"
    if interval is not None and threshold.confidence is not None:
        its = f"{title} {where} is {numbers(observed)[0]}, but its {interval.percentage} interval"
        if lower is not None and interval.lower < lower:
            end, bound = numbers(interval.lower, lower)
            return f"{its} goes down to {end}, below the bound {bound}"
        if upper is not None and interval.upper > upper:
            end, bound = numbers(interval.upper, upper)
            return f"{its} goes up to {end}, above the bound {bound}"
    wanted = _range(lower, upper) + _surely(threshold.confidence)
    return f"{title} {where} is {numbers(observed)[0]}{around}; it must be {wanted}"


def change_sentence(
    title: str,
    key: SliceKey,
    pair: tuple[float, float],
    baseline_title: str,
    threshold: ChangeThreshold,
    interval: Interval | None = None,
    *,
    is_sure: bool = True,
) -> str:
    """Say how a metric changed, and what is wanted.

    Args:
        title: of the metric.
        key: of the slice.
        pair: the candidate's value and the baseline's.
        baseline_title: for instance ``live version 7``.
        threshold: what is wanted.
        interval: of the change, or, if only that is limited, of the relative change.
        is_sure: whether all of the interval is what is wanted.
    """
    observed, baseline = pair
    now, before = numbers(observed, baseline)
    if observed == baseline:
        moved = f"stayed at {now} ({baseline_title})"
    else:
        verb = "rose" if observed > baseline else "fell"
        moved = f"{verb} from {before} ({baseline_title}) to {now}"
    if interval is not None:
        moved += f" ({_range_of_change(interval, is_relative=threshold.absolute is None)})"
    limits = _limits(threshold)
    passed = threshold.passes(observed, baseline)
    if len(limits) == 1 and not passed and (observed > baseline) != threshold.higher_is_better:
        how = _too_far(threshold)
        if how is not None and observed != baseline:
            return f"{title} {describe(key)} {moved}, more than the allowed {how}"
    joined = " and ".join(limits) + _surely(threshold.confidence)
    return f"{title} {describe(key)} {moved}{';' if passed and is_sure else ', but'} it {joined}"


def undefined_sentence(
    title: str, key: SliceKey, num_not_finite: int, *, too_small: tuple[int, int] | None
) -> str:
    """Say why there is no value, so that no threshold on it can be met.

    Args:
        title: of the metric.
        key: of the slice.
        num_not_finite: predictions of the slice that are NaN or infinite.
        too_small: the slice's number of examples and the least, if that is why.
    """
    if too_small is not None:
        reason = f"the slice has {too_small[0]} examples, fewer than min_slice_size {too_small[1]}"
    elif num_not_finite:
        plural = "predictions are" if num_not_finite > 1 else "prediction is"
        reason = f"{num_not_finite} {plural} NaN or infinite"
    else:
        reason = (
            "it isn't defined for these examples, for instance because all are of one class or "
            "weigh nothing, or numbers that are added up are beyond 1e33"
        )
    return f"{title} {describe(key)} has no value, so it meets no threshold: {reason}"


def undecided_sentence(sentence: str, num_examples: int, *, is_varied: bool, decides: bool) -> str:
    """Say that there is no interval where a threshold has a confidence.

    Args:
        sentence: about the value.
        num_examples: of the slice.
        is_varied: whether samples of it differ, if there are enough.
        decides: whether the value alone decides.
    """
    its = f"its {num_examples:,} examples"
    why = f"{its} are too few to tell" if is_varied else f"all samples of {its} agree"
    return f"{sentence}; {why}, so the value alone decided" if decides else f"{sentence}, but {why}"


def ends_of(interval: Interval, *, signed: bool = False) -> str:
    """Return for instance «0.701 to 0.720», or with signs «−0.002 to +0.010»."""
    ends = (interval.lower, interval.upper)
    texts = numbers(*ends)
    if signed:  # and as far from 0 as the numbers are
        texts = numbers(*map(abs, ends), 0.0)[:2]
        texts = [("−" if end < 0 else "+") + text for end, text in zip(ends, texts, strict=True)]
    return " to ".join(texts)


def _range_of_change(interval: Interval, *, is_relative: bool) -> str:
    ends = ends_of(interval, signed=True)
    if is_relative:
        ends = " to ".join(
            f"{end * 100:+.3g} %".replace("-", "−") for end in (interval.lower, interval.upper)
        )
    of_what = "relative change" if is_relative else "change"
    return f"{interval.percentage} interval of the {of_what} {ends}"


def _surely(confidence: float | None) -> str:
    return "" if confidence is None else f" with {confidence * 100:.10g} % confidence"


def _range(lower: float | None, upper: float | None) -> str:
    if lower is not None and upper is not None:
        return f"from {_given(lower)} to {_given(upper)}"
    words = (("at least", lower), ("at most", upper))
    return "".join(f"{word} {_given(bound)}" for word, bound in words if bound is not None)


def _limits(threshold: ChangeThreshold) -> list[str]:
    """Return what the threshold wants, each a predicate of «it»."""
    limits = (
        (threshold.absolute, "{}"),
        (threshold.relative, "{} of its amount"),
    )
    return [
        _limit(limit, _amount(limit, text), higher_is_better=bool(threshold.higher_is_better))
        for limit, text in limits
        if limit is not None
    ]


def _limit(limit: float, amount: str, *, higher_is_better: bool) -> str:
    forward, back = ("rise", "fall") if higher_is_better else ("fall", "rise")
    if limit == 0:
        return f"may not {back}"
    allows = (limit < 0) == higher_is_better
    return f"may {back} by at most {amount}" if allows else f"must {forward} by at least {amount}"


def _too_far(threshold: ChangeThreshold) -> str | None:
    """Return the allowed step in the wrong direction; None if none is allowed."""
    limit = threshold.relative if threshold.absolute is None else threshold.absolute
    if limit is None or limit == 0 or (limit < 0) != threshold.higher_is_better:
        return None
    return _amount(limit, "{}" if threshold.relative is None else "{} of its amount")


def _amount(limit: float, text: str) -> str:
    size = abs(limit)
    return text.format(_given(size) if text == "{}" else f"{_given(size * 100)} %")


def _given(number: float) -> str:
    """Write a number of the configuration as it was written there, more or less."""
    return f"{number:.10g}"


def _fixed(value: float, decimals: int) -> str:
    if value != 0 and (abs(value) >= 1e6 or abs(value) < 10 ** -(_MIN_DECIMALS + 1)):
        return f"{value:.{decimals}g}"
    if float(value).is_integer() and abs(value) >= 10:
        return str(int(value))
    return f"{value:.{decimals}f}"
