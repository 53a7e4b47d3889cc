package dev.llmworker.text.jinja;

import java.time.ZonedDateTime;
import java.time.format.DateTimeFormatter;
import java.util.Locale;

/// C's strftime, in English.
final class Strftime {
    private Strftime() {}

    static String format(String format, ZonedDateTime time) {
        var out = new StringBuilder();
        for (int at = 0; at < format.length(); at++) {
            char character = format.charAt(at);
            if (character != '%' || at + 1 == format.length()) {
                out.append(character);
                continue;
            }
            char directive = format.charAt(++at);
            // The hyphen, of glibc and the BSDs, leaves zeros at the front out.
            if (directive == '-' && at + 1 < format.length()) {
                out.append(withoutZeros(directive(format.charAt(++at), time)));
            } else {
                out.append(directive(directive, time));
            }
        }
        return out.toString();
    }

    private static String withoutZeros(String digits) {
        return digits.replaceFirst("^[0 ]+(?=\\d)", "");
    }

    private static String directive(char directive, ZonedDateTime time) {
        return switch (directive) {
            case 'Y' -> pattern("yyyy", time);
            case 'y' -> pattern("yy", time);
            case 'm' -> pattern("MM", time);
            case 'd' -> pattern("dd", time);
            case 'e' -> pattern("ppd", time);
            case 'b', 'h' -> pattern("MMM", time);
            case 'B' -> pattern("MMMM", time);
            case 'a' -> pattern("EEE", time);
            case 'A' -> pattern("EEEE", time);
            case 'H' -> pattern("HH", time);
            case 'I' -> pattern("hh", time);
            case 'M' -> pattern("mm", time);
            case 'S' -> pattern("ss", time);
            case 'f' -> pattern("SSSSSS", time);
            case 'p' -> pattern("a", time);
            case 'j' -> pattern("DDD", time);
            case 'u' -> Integer.toString(time.getDayOfWeek().getValue());
            case 'w' -> Integer.toString(time.getDayOfWeek().getValue() % 7);
            case 'F' -> pattern("yyyy-MM-dd", time);
            case 'T', 'X' -> pattern("HH:mm:ss", time);
            case 'R' -> pattern("HH:mm", time);
            case 'D', 'x' -> pattern("MM/dd/yy", time);
            case 'c' -> pattern("EEE MMM ppd HH:mm:ss yyyy", time);
            case 'n' -> "\n";
            case 't' -> "\t";
            case '%' -> "%";
            // Python's time of now has no zone.
            case 'Z', 'z' -> "";
            default -> throw new JinjaException("strftime_now does not know %" + directive);
        };
    }

    private static String pattern(String pattern, ZonedDateTime time) {
        // Locale.ROOT has no names of months; Locale.US has them as C has.
        return DateTimeFormatter.ofPattern(pattern, Locale.US).format(time);
    }
}
