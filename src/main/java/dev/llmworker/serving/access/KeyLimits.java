package dev.llmworker.serving.access;

import dev.llmworker.generation.Share;
import dev.llmworker.serving.wire.RequestFields;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import org.jspecify.annotations.Nullable;

/// What an API key may use, as its line in `API_KEYS_FILE` says.
///
/// @param requestsPerMinute null for no limit
/// @param tokensPerMinute of prompts and answers; null for no limit
/// @param concurrent answers under way at a time; null for no limit
/// @param priority its weight if slots are scarce
public record KeyLimits(
        @Nullable Integer requestsPerMinute,
        @Nullable Integer tokensPerMinute,
        @Nullable Integer concurrent,
        int priority) {
    /// A key without limits.
    public static final KeyLimits NONE = new KeyLimits(null, null, null, Share.NONE.weight());

    private static final int MAX = 1_000_000_000;

    /// What a line may say.
    private enum Name {
        REQUESTS_PER_MINUTE("requests_per_minute", MAX),
        TOKENS_PER_MINUTE("tokens_per_minute", MAX),
        CONCURRENT("concurrent", MAX),
        PRIORITY("priority", Share.MAX_WEIGHT);

        final String word;
        final int max;

        Name(String word, int max) {
            this.word = word;
            this.max = max;
        }

        static @Nullable Name of(String word) {
            for (var name : values()) {
                if (name.word.equals(word)) {
                    return name;
                }
            }
            return null;
        }

        /// @throws IllegalArgumentException with the value and the limit
        int read(String value) {
            var isNumber =
                    !value.isEmpty() && value.length() <= 10 && value.chars().allMatch(c -> c >= '0' && c <= '9');
            var number = isNumber ? Long.parseLong(value) : 0;
            if (number < 1 || number > max) {
                throw new IllegalArgumentException("is not accepted: " + word + " is \""
                        + RequestFields.shortened(value) + "\"; it must be a whole number from 1 to " + max);
            }
            return (int) number;
        }
    }

    /// A key and its limits.
    record Line(String key, KeyLimits limits) {
        /// Reads `KEY name=value …`; from a word that begins with `#` on it is a comment.
        ///
        /// @throws IllegalArgumentException saying what is wrong, without anything that may be a part of a key
        static Line of(String line) {
            var words = words(line);
            var key = words.getFirst().text;
            var wrong = ApiKeys.problem(key);
            if (wrong != null) {
                throw new IllegalArgumentException("is no key: it " + wrong);
            }
            var values = new HashMap<Name, Integer>();
            for (var word : words.subList(1, words.size())) {
                var equals = word.text.indexOf('=');
                var name = Name.of(equals < 0 ? "" : word.text.substring(0, equals));
                if (name == null) {
                    throw new IllegalArgumentException("is no key: it has a blank at character " + (word.at - 1)
                            + "; a key is ASCII without blanks and commas. Only requests_per_minute=,"
                            + " tokens_per_minute=, concurrent= and priority= may follow it, each with a number");
                }
                if (values.put(name, name.read(word.text.substring(equals + 1))) != null) {
                    throw new IllegalArgumentException("is not accepted: " + name.word + " is there twice");
                }
            }
            return new Line(key, of(values));
        }

        /// The key of a line, whatever else is wrong with it.
        static String keyOf(String line) {
            return words(line).getFirst().text;
        }

        private static KeyLimits of(Map<Name, Integer> values) {
            return new KeyLimits(
                    values.get(Name.REQUESTS_PER_MINUTE),
                    values.get(Name.TOKENS_PER_MINUTE),
                    values.get(Name.CONCURRENT),
                    values.getOrDefault(Name.PRIORITY, NONE.priority));
        }
    }

    /// @param at the number of its first character, from 1 on
    private record Word(String text, int at) {}

    private static List<Word> words(String line) {
        var words = new ArrayList<Word>();
        for (var at = 0; at < line.length(); at++) {
            var start = at;
            while (at < line.length() && !Character.isWhitespace(line.charAt(at))) {
                at++;
            }
            if (at > start) {
                if (line.charAt(start) == '#') {
                    return words;
                }
                words.add(new Word(line.substring(start, at), start + 1));
            }
        }
        return words;
    }
}
