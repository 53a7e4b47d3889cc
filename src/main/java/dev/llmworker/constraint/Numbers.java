package dev.llmworker.constraint;

import java.math.BigDecimal;
import java.math.BigInteger;
import java.util.ArrayList;
import java.util.List;
import java.util.TreeMap;
import org.jspecify.annotations.Nullable;

/// The JSON numbers within bounds, as text. A number with a bound or a divisor is written without an exponent.
///
/// @param isInteger whether they are written without a fraction and an exponent
/// @param least null for none
/// @param most null for none
/// @param multiple null for none
record Numbers(
        boolean isInteger,
        @Nullable Bound least,
        @Nullable Bound most,
        @Nullable BigDecimal multiple) {
    static final Numbers ALL = new Numbers(false, null, null, null);

    /// @param isExclusive whether the bound itself is outside
    record Bound(BigDecimal value, boolean isExclusive) {
        Bound negated() {
            return new Bound(value.negate(), isExclusive);
        }
    }

    private static final Dfa INTEGERS = Regex.whole(new Work("$"), "-?(0|[1-9][0-9]*)");
    private static final Dfa NUMBERS = Regex.whole(new Work("$"), "-?(0|[1-9][0-9]*)(\\.[0-9]+)?([eE][+-]?[0-9]+)?");

    private enum Part {
        START,
        ZERO,
        INTEGER,
        POINT,
        FRACTION
    }

    /// How much of a number without a sign has been read.
    ///
    /// @param digits how many digits of the present part, up to what the bounds tell apart
    /// @param least the comparison with the lower bound so far
    /// @param most the comparison with the upper bound so far
    /// @param remainder of the digits so far, by the divisor
    /// @param decimals digits of the fraction, up to those of the divisor
    private record Read(Part part, int digits, int least, int most, int remainder, int decimals) {}

    private record Signed(@Nullable Read positive, @Nullable Read negative, boolean isStart) {}

    Numbers and(Numbers other) {
        return new Numbers(
                isInteger || other.isInteger,
                tighter(least, other.least, 1),
                tighter(most, other.most, -1),
                multiple == null ? other.multiple : other.multiple == null ? multiple : lcm(multiple, other.multiple));
    }

    private static @Nullable Bound tighter(@Nullable Bound a, @Nullable Bound b, int sign) {
        if (a == null || b == null) {
            return a == null ? b : a;
        }
        var order = Integer.signum(a.value.compareTo(b.value)) * sign;
        return order > 0 || order == 0 && a.isExclusive ? a : b;
    }

    private static BigDecimal lcm(BigDecimal a, BigDecimal b) {
        var scale = Math.max(a.scale(), b.scale());
        var first = a.setScale(scale).unscaledValue();
        var second = b.setScale(scale).unscaledValue();
        return new BigDecimal(first.divide(first.gcd(second)).multiply(second), scale);
    }

    boolean has(BigDecimal value) {
        return (!isInteger || value.signum() == 0 || value.stripTrailingZeros().scale() <= 0)
                && isWithin(value, least, 1)
                && isWithin(value, most, -1)
                && (multiple == null || value.remainder(multiple).signum() == 0);
    }

    private static boolean isWithin(BigDecimal value, @Nullable Bound bound, int sign) {
        var order = bound == null ? 1 : Integer.signum(value.compareTo(bound.value)) * sign;
        return bound == null || (bound.isExclusive ? order > 0 : order >= 0);
    }

    Dfa texts(Work work) {
        if (least == null && most == null && multiple == null) {
            return isInteger ? INTEGERS : NUMBERS;
        }
        var positive = most == null || most.value.signum() >= 0
                ? new Magnitudes(
                        work, isInteger, least == null || least.value.signum() < 0 ? null : least, most, multiple)
                : null;
        var negative = least == null || least.value.signum() < 0
                ? new Magnitudes(
                        work,
                        isInteger,
                        most == null || most.value.signum() > 0 || isZero(most) ? exclusiveZero(most) : most.negated(),
                        least == null ? null : least.negated(),
                        multiple)
                : null;
        var start = new Signed(positive == null ? null : positive.start(), null, true);
        return Dfa.explore(
                work,
                start,
                state ->
                        state.positive != null && !state.isStart && positive != null && positive.accepts(state.positive)
                                || state.negative != null && negative != null && negative.accepts(state.negative),
                state -> step(state, positive, negative));
    }

    private static boolean isZero(Bound bound) {
        return bound.value.signum() == 0;
    }

    /// What a negative number's magnitude is above, if the upper bound is 0 and excluded: -0 is outside too.
    private static @Nullable Bound exclusiveZero(@Nullable Bound most) {
        return most != null && isZero(most) && most.isExclusive ? most : null;
    }

    private static List<Dfa.Edge<Signed>> step(
            Signed state, @Nullable Magnitudes positive, @Nullable Magnitudes negative) {
        var found = new ArrayList<Dfa.Edge<Signed>>();
        if (state.isStart && negative != null) {
            found.add(new Dfa.Edge<>('-', '-', new Signed(null, negative.start(), false)));
        }
        if (state.positive != null && positive != null) {
            positive.step(state.positive)
                    .forEach((c, next) -> found.add(new Dfa.Edge<>(c, c, new Signed(next, null, false))));
        }
        if (state.negative != null && negative != null) {
            negative.step(state.negative)
                    .forEach((c, next) -> found.add(new Dfa.Edge<>(c, c, new Signed(null, next, false))));
        }
        return found;
    }

    /// Numbers without a sign, within two bounds that are not negative.
    private static final class Magnitudes {
        private final boolean isInteger;
        private final @Nullable Digits least;
        private final @Nullable Digits most;
        private final int modulus;
        private final int modulusDecimals;
        private final int maxDigits;
        private final int maxFraction;

        Magnitudes(
                Work work,
                boolean isInteger,
                @Nullable Bound least,
                @Nullable Bound most,
                @Nullable BigDecimal multiple) {
            this.least = least == null ? null : Digits.of(work, least);
            this.most = most == null ? null : Digits.of(work, most);
            var divisor = multiple == null ? BigDecimal.ONE : multiple.stripTrailingZeros();
            divisor = divisor.scale() < 0 ? divisor.setScale(0) : divisor;
            if (divisor.unscaledValue().compareTo(BigInteger.valueOf(Limits.MULTIPLE)) > 0 || divisor.scale() > 9) {
                throw work.rejected(
                        "has a multipleOf with more digits than the limit of " + Limits.MULTIPLE + " allows");
            }
            modulus = divisor.unscaledValue().intValue();
            modulusDecimals = multiple == null ? 0 : divisor.scale();
            this.isInteger = isInteger || multiple != null && modulusDecimals == 0;
            maxDigits = Math.max(length(this.least, true), length(this.most, true)) + 1;
            maxFraction = Math.max(length(this.least, false), length(this.most, false)) + 1;
            hasMultiple = multiple != null;
        }

        private final boolean hasMultiple;

        private static int length(@Nullable Digits digits, boolean integer) {
            return digits == null ? 0 : (integer ? digits.integer : digits.fraction).length();
        }

        Read start() {
            return new Read(Part.START, 0, 0, 0, 0, 0);
        }

        boolean accepts(Read read) {
            if (read.part == Part.START || read.part == Part.POINT) {
                return false;
            }
            var end = read.part == Part.FRACTION ? read : point(read);
            var rest = (long) read.remainder;
            for (var i = read.decimals; i < modulusDecimals; i++) {
                rest *= 10;
            }
            return rest % modulus == 0
                    && (least == null || least.holds(least.atEnd(end.least, end.digits), 1))
                    && (most == null || most.holds(most.atEnd(end.most, end.digits), -1));
        }

        TreeMap<Integer, Read> step(Read read) {
            var found = new TreeMap<Integer, Read>();
            if (read.part == Part.START || read.part == Part.INTEGER) {
                for (var digit = 0; digit <= 9; digit++) {
                    found.put('0' + digit, integer(read, digit));
                }
            }
            if (read.part == Part.POINT || read.part == Part.FRACTION) {
                for (var digit = 0; digit <= 9 && (!hasMultiple || read.decimals < modulusDecimals); digit++) {
                    found.put('0' + digit, fraction(read, digit));
                }
            }
            if (!isInteger && (read.part == Part.ZERO || read.part == Part.INTEGER)) {
                found.put((int) '.', point(read));
            }
            return found;
        }

        private Read integer(Read read, int digit) {
            var part = read.part == Part.START && digit == 0 ? Part.ZERO : Part.INTEGER;
            return new Read(
                    part,
                    Math.min(read.digits + 1, maxDigits),
                    least == null ? 0 : least.integer(read.least, read.digits, digit),
                    most == null ? 0 : most.integer(read.most, read.digits, digit),
                    (read.remainder * 10 + digit) % modulus,
                    0);
        }

        /// After the integer part.
        private Read point(Read read) {
            return new Read(
                    Part.POINT,
                    0,
                    least == null ? 0 : least.afterInteger(read.least, read.digits),
                    most == null ? 0 : most.afterInteger(read.most, read.digits),
                    read.remainder,
                    0);
        }

        private Read fraction(Read read, int digit) {
            return new Read(
                    Part.FRACTION,
                    Math.min(read.digits + 1, maxFraction),
                    least == null ? 0 : least.fraction(read.least, read.digits, digit),
                    most == null ? 0 : most.fraction(read.most, read.digits, digit),
                    hasMultiple ? (read.remainder * 10 + digit) % modulus : 0,
                    hasMultiple ? read.decimals + 1 : 0);
        }
    }

    /// A bound's digits, with which those of a number are compared.
    private record Digits(String integer, String fraction, boolean isExclusive) {
        static Digits of(Work work, Bound bound) {
            var value = bound.value.signum() == 0 ? BigDecimal.ZERO : bound.value.stripTrailingZeros();
            if (value.precision() - (long) value.scale() > Limits.NUMBER_DIGITS
                    || value.scale() > Limits.NUMBER_DIGITS) {
                throw work.rejected(
                        "has a bound with more than " + Limits.NUMBER_DIGITS + " digits before or after the point");
            }
            var text = value.toPlainString();
            var point = text.indexOf('.');
            return point < 0
                    ? new Digits(text, "", bound.isExclusive)
                    : new Digits(text.substring(0, point), text.substring(point + 1), bound.isExclusive);
        }

        int integer(int sofar, int read, int digit) {
            if (read >= integer.length()) {
                return 1;
            }
            return sofar != 0 ? sofar : Integer.signum(digit - (integer.charAt(read) - '0'));
        }

        int afterInteger(int sofar, int read) {
            return read < integer.length() ? -1 : sofar;
        }

        int fraction(int sofar, int read, int digit) {
            var own = read < fraction.length() ? fraction.charAt(read) - '0' : 0;
            return sofar != 0 ? sofar : Integer.signum(digit - own);
        }

        int atEnd(int sofar, int read) {
            return sofar == 0 && read < fraction.length() ? -1 : sofar;
        }

        boolean holds(int comparison, int sign) {
            return isExclusive ? comparison * sign > 0 : comparison * sign >= 0;
        }
    }
}
