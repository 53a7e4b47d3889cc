package dev.llmworker.settings;

import java.time.Duration;
import java.util.Arrays;
import java.util.List;
import java.util.Locale;
import java.util.function.Function;
import java.util.regex.Pattern;
import org.jspecify.annotations.Nullable;

/// One thing that an operator can choose, by an environment variable or a line of `application.properties`.
///
/// @param name of the variable
/// @param standard the default as an operator would write it; empty if nothing is set by default
/// @param parser turns the text into a value
/// @param help one line, for `./worker --help` and docs/configuration.md
public record Setting<T>(String name, String standard, Parser<T> parser, String help) {
    private static final int MAX_SHOWN = 60;
    private static final String AUTO = "auto";

    /// Turns the text of a setting into a value.
    @FunctionalInterface
    public interface Parser<T> {
        /// @param text stripped and not empty
        /// @return null if the text stands for the default
        /// @throws IllegalArgumentException saying what the text must be, as in "a whole number from 1 to 8"
        @Nullable
        T parse(String text);
    }

    static Setting<String> text(String name, String standard, String help) {
        return new Setting<>(name, standard, text -> text, help);
    }

    /// `auto` stands for the default.
    static Setting<Integer> whole(String name, String standard, int low, int high, String help) {
        var limit = "a whole number from " + low + " to " + high;
        return new Setting<>(name, standard, text -> auto(text, Integer::valueOf, low, high, limit), help);
    }

    private static <T extends Comparable<T>> @Nullable T auto(
            String text, Function<String, T> parse, T low, T high, String limit) {
        return text.equalsIgnoreCase(AUTO) ? null : within(text, parse, low, high, limit);
    }

    /// @param limit says what a text that does not give a value from `low` to `high` must be
    private static <T extends Comparable<T>> T within(
            String text, Function<String, T> parse, T low, T high, String limit) {
        try {
            var value = parse.apply(text);
            if (value.compareTo(low) >= 0 && value.compareTo(high) <= 0) {
                return value;
            }
        } catch (ArithmeticException | NumberFormatException _) {
            // Refused below, like a value that is too low or too high.
        }
        throw new IllegalArgumentException(limit);
    }

    /// A number of bytes; `auto` stands for the default.
    static Setting<Long> bytes(String name, String standard, long low, String help) {
        var limit = "a number of bytes, at least " + low;
        return new Setting<>(name, standard, text -> auto(text, Long::valueOf, low, Long.MAX_VALUE, limit), help);
    }

    /// `300`, `300s` and `5m` are five minutes.
    static Setting<Duration> time(String name, String standard, Duration low, Duration high, String help) {
        return new Setting<>(name, standard, text -> duration(text, low, high), help);
    }

    private static Duration duration(String text, Duration low, Duration high) {
        var limit = "a time from " + low.toSeconds() + "s to " + high.toMinutes() + "m, such as 300, 300s or 5m";
        return within(text, Setting::duration, low, high, limit);
    }

    private static Duration duration(String text) {
        var count = Long.parseLong(text.replaceAll("[sm]$", ""));
        return text.endsWith("m") ? Duration.ofMinutes(count) : Duration.ofSeconds(count);
    }

    static Setting<Boolean> flag(String name, String help) {
        return new Setting<>(
                name, "false", text -> listed(text, List.of("true", "false")).equals("true"), help);
    }

    /// Case does not matter.
    static <E extends Enum<E>> Setting<E> choice(String name, E standard, Class<E> type, String help) {
        return new Setting<>(name, lowerCase(standard), text -> constant(text, type), help);
    }

    private static <E extends Enum<E>> E constant(String text, Class<E> type) {
        var constants = Arrays.asList(type.getEnumConstants());
        var names = constants.stream().map(Setting::lowerCase).toList();
        return constants.get(names.indexOf(listed(text, names)));
    }

    /// The value in lower case; case does not matter.
    static Setting<String> oneOf(String name, List<String> choices, String help) {
        return new Setting<>(name, choices.getFirst(), text -> listed(text, choices), help);
    }

    private static String listed(String text, List<String> choices) {
        var lower = text.toLowerCase(Locale.ROOT);
        if (!choices.contains(lower)) {
            throw new IllegalArgumentException("one of " + String.join(", ", choices));
        }
        return lower;
    }

    /// @param limit says what a value that does not match must be
    static Setting<String> matching(String name, String standard, Pattern pattern, String limit, String help) {
        return new Setting<>(
                name,
                standard,
                text -> {
                    if (!pattern.matcher(text).matches()) {
                        throw new IllegalArgumentException(limit);
                    }
                    return text;
                },
                help);
    }

    private static String lowerCase(Enum<?> constant) {
        return constant.name().toLowerCase(Locale.ROOT);
    }

    /// There is one setting of each name. The JVM would make this method at each start, from the record's fields.
    @Override
    public boolean equals(@Nullable Object other) {
        return this == other;
    }

    @Override
    public int hashCode() {
        return name.hashCode();
    }

    /// The value of a text; a text that is null or blank counts as not set.
    ///
    /// @return null if neither the text nor the default is a value
    /// @throws SettingsException naming the setting, the text and what is allowed
    @Nullable
    public T parse(@Nullable String text) throws SettingsException {
        try {
            var given = text == null || text.isBlank() ? null : parser.parse(text.strip());
            return given != null || standard.isEmpty() ? given : parser.parse(standard);
        } catch (IllegalArgumentException e) {
            throw refused(String.valueOf(text), String.valueOf(e.getMessage()));
        }
    }

    /// The one form in which a bad value is refused.
    ///
    /// @param limit what the value must be
    public SettingsException refused(String value, String limit) {
        var text = value.strip();
        var shown = text.length() <= MAX_SHOWN ? text : text.substring(0, MAX_SHOWN) + "…";
        return new SettingsException(name + " is \"" + shown + "\"; it must be " + limit);
    }
}
