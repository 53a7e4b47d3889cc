package dev.llmworker.text.jinja;

import java.math.BigDecimal;
import java.math.MathContext;
import java.math.RoundingMode;

/// The digits of a real number, 0 or greater, as C's `%f`, `%e` and `%g` write them.
final class RealDigits {
    private RealDigits() {}

    static String fixed(BigDecimal number, int places) {
        return number.setScale(places, RoundingMode.HALF_EVEN).toPlainString();
    }

    static String exponential(BigDecimal number, int places) {
        var rounded = rounded(number, places + 1);
        int exponent = exponent(rounded);
        // As many digits as asked for, also those that are 0.
        var digits = rounded.signum() == 0
                ? BigDecimal.ZERO.setScale(places)
                : rounded.movePointLeft(exponent).setScale(places, RoundingMode.UNNECESSARY);
        int magnitude = Math.abs(exponent);
        return digits.toPlainString() + (exponent < 0 ? "e-" : "e+") + (magnitude < 10 ? "0" : "") + magnitude;
    }

    /// Fixed where the exponent is from -4 to below the precision, else exponential; without zeros at the end.
    static String general(BigDecimal number, int precision, boolean keepZeros) {
        int significant = Math.max(1, precision);
        int exponent = exponent(rounded(number, significant));
        if (exponent >= -4 && exponent < significant) {
            var fixed = fixed(number, significant - 1 - exponent);
            return keepZeros ? fixed : withoutZeros(fixed);
        }
        var exponential = exponential(number, significant - 1);
        int split = exponential.indexOf('e');
        var digits = exponential.substring(0, split);
        return (keepZeros ? digits : withoutZeros(digits)) + exponential.substring(split);
    }

    private static BigDecimal rounded(BigDecimal number, int digits) {
        return number.round(new MathContext(digits, RoundingMode.HALF_EVEN));
    }

    private static int exponent(BigDecimal number) {
        return number.signum() == 0 ? 0 : number.precision() - number.scale() - 1;
    }

    private static String withoutZeros(String digits) {
        if (digits.indexOf('.') < 0) {
            return digits;
        }
        int end = digits.length();
        while (digits.charAt(end - 1) == '0') {
            end--;
        }
        return digits.substring(0, digits.charAt(end - 1) == '.' ? end - 1 : end);
    }
}
