package dev.llmworker.settings;

import java.time.Duration;
import java.util.Arrays;
import java.util.Locale;
import java.util.Map;
import java.util.function.Function;
import java.util.stream.Collectors;
import org.jspecify.annotations.Nullable;

/// Settings by name, checked. A value that is empty or blank counts as not set.
record SettingsReader(Map<String, String> values) {
    @Nullable
    String text(String name) {
        var value = values.get(name);
        return value == null || value.isBlank() ? null : value.strip();
    }

    String text(String name, String absent) {
        var value = text(name);
        return value == null ? absent : value;
    }

    int whole(String name, int low, int high, int absent) throws SettingsException {
        var value = whole(name, low, high);
        return value == null ? absent : value;
    }

    /// @return null where it is not set, or `auto`
    @Nullable
    Integer whole(String name, int low, int high) throws SettingsException {
        var text = text(name);
        if (text == null || text.equalsIgnoreCase("auto")) {
            return null;
        }
        try {
            var value = Integer.parseInt(text);
            if (value >= low && value <= high) {
                return value;
            }
        } catch (NumberFormatException _) {
            // Told below, as a number out of range is.
        }
        throw wrong(name, text, "a whole number from " + low + " to " + high);
    }

    /// `300`, `300s` and `5m` are five minutes.
    Duration duration(String name, Duration low, Duration high, Duration absent) throws SettingsException {
        var text = text(name);
        if (text == null) {
            return absent;
        }
        var number = text.replaceAll("[sm]$", "");
        try {
            var count = Long.parseLong(number);
            var value = text.endsWith("m") ? Duration.ofMinutes(count) : Duration.ofSeconds(count);
            if (value.compareTo(low) >= 0 && value.compareTo(high) <= 0) {
                return value;
            }
        } catch (ArithmeticException | NumberFormatException _) {
            // Told below, as a time out of range is.
        }
        throw wrong(
                name,
                text,
                "a time from " + low.toSeconds() + "s to " + high.toMinutes() + "m, such as 300, 300s or 5m");
    }

    /// False where it is not set.
    boolean flag(String name) throws SettingsException {
        return choice(name, Flag.class, Flag.FALSE) == Flag.TRUE;
    }

    private enum Flag {
        TRUE,
        FALSE
    }

    <E extends Enum<E>> E choice(String name, Class<E> type, E absent) throws SettingsException {
        var text = text(name);
        if (text == null) {
            return absent;
        }
        for (var constant : type.getEnumConstants()) {
            if (constant.name().equalsIgnoreCase(text)) {
                return constant;
            }
        }
        var list = Arrays.stream(type.getEnumConstants())
                .map(constant -> constant.name().toLowerCase(Locale.ROOT))
                .collect(Collectors.joining(", "));
        throw wrong(name, text, "one of " + list);
    }

    /// @param parse gets null where it is not set, and says what is wrong by an `IllegalArgumentException`
    <T> T parsed(String name, Function<@Nullable String, T> parse) throws SettingsException {
        try {
            return parse.apply(text(name));
        } catch (IllegalArgumentException e) {
            throw new SettingsException(name + ": " + e.getMessage());
        }
    }

    static SettingsException wrong(String name, String value, String limit) {
        var shown = value.length() <= 60 ? value : value.substring(0, 60) + "…";
        return new SettingsException(name + " is \"" + shown + "\"; it must be " + limit);
    }
}
