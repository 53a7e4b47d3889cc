package dev.llmworker.child;

import java.util.ArrayList;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Objects;
import java.util.Set;
import java.util.TreeSet;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import java.util.stream.Collectors;
import java.util.stream.Stream;

/// The words of a command, some with placeholders such as `{port}`. The text is split as a shell splits it, with quotes
/// and backslashes. No shell runs: `$HOME`, `*`, `|` and the like stay as they are.
///
/// @param words at least one
public record CommandLine(List<String> words) {
    /// What a placeholder stands for.
    public enum Placeholder {
        /// The model as the operator wrote it.
        MODEL,
        /// The model's file or folder on this machine.
        MODEL_PATH,
        /// The port at which the server must listen.
        PORT,
        /// The length of the context in tokens.
        CONTEXT;

        @Override
        public String toString() {
            return "{" + name().toLowerCase(Locale.ROOT) + "}";
        }
    }

    private static final String NAME = "[A-Za-z_][A-Za-z0-9_-]*";
    /// Braces around a name. JSON in a command has quotes or blanks there. Double braces, as chat templates have them,
    /// are no placeholder.
    private static final Pattern BRACES = Pattern.compile("\\{\\{" + NAME + "}}|\\{" + NAME + "}");

    private static final String DOUBLE = "{{";

    private static final Map<String, Placeholder> BY_TEXT =
            Stream.of(Placeholder.values()).collect(Collectors.toMap(Placeholder::toString, it -> it));

    public CommandLine {
        words = List.copyOf(words);
    }

    /// @throws IllegalArgumentException with a sentence that says what is wrong, without its subject
    public static CommandLine parse(String text) {
        var words = new Splitter(text).words();
        if (words.isEmpty() || words.getFirst().isEmpty()) {
            throw new IllegalArgumentException("names no program");
        }
        var command = new CommandLine(words);
        command.braces().filter(name -> !BY_TEXT.containsKey(name)).findFirst().ifPresent(unknown -> {
            throw new IllegalArgumentException("has the placeholder " + unknown + ", which does not exist; there are "
                    + Stream.of(Placeholder.values()).map(Placeholder::toString).collect(Collectors.joining(", ")));
        });
        return command;
    }

    public Set<Placeholder> placeholders() {
        return braces().map(BY_TEXT::get).map(Objects::requireNonNull).collect(Collectors.toCollection(TreeSet::new));
    }

    private Stream<String> braces() {
        return words.stream()
                .flatMap(word -> BRACES.matcher(word).results().map(found -> found.group()))
                .filter(found -> !found.startsWith(DOUBLE));
    }

    /// The words with these values. A value stays within its word, whatever is in it.
    ///
    /// @param values has at least [#placeholders()]
    public List<String> filled(Map<Placeholder, String> values) {
        return words.stream()
                .map(word -> BRACES.matcher(word).replaceAll(found -> {
                    if (found.group().startsWith(DOUBLE)) {
                        return Matcher.quoteReplacement(found.group());
                    }
                    var value = values.get(Objects.requireNonNull(BY_TEXT.get(found.group())));
                    return Matcher.quoteReplacement(Objects.requireNonNull(value, found.group()));
                }))
                .toList();
    }

    /// Splits as POSIX shells do.
    private static final class Splitter {
        private static final String ESCAPED_IN_QUOTES = "\"\\$`";

        private final String text;
        private final List<String> words = new ArrayList<>();
        private final StringBuilder word = new StringBuilder();
        private boolean inWord;
        private int at;

        Splitter(String text) {
            this.text = text;
        }

        List<String> words() {
            while (at < text.length()) {
                var c = text.charAt(at++);
                switch (c) {
                    case ' ', '\t', '\r', '\n' -> end();
                    case '\'' -> single();
                    case '"' -> doubled();
                    case '\\' -> escaped();
                    default -> add(c);
                }
            }
            end();
            return words;
        }

        private void add(char c) {
            word.append(c);
            inWord = true;
        }

        private void end() {
            if (inWord) {
                words.add(word.toString());
                word.setLength(0);
                inWord = false;
            }
        }

        private void single() {
            var close = text.indexOf('\'', at);
            if (close < 0) {
                throw new IllegalArgumentException("has a ' that is not closed");
            }
            word.append(text, at, close);
            inWord = true;
            at = close + 1;
        }

        private void doubled() {
            inWord = true;
            for (var c = inQuotes(); c != '"'; c = inQuotes()) {
                if (c == '\\') {
                    var next = inQuotes();
                    if (next == '\n') {
                        continue;
                    }
                    if (ESCAPED_IN_QUOTES.indexOf(next) < 0) {
                        word.append('\\');
                    }
                    word.append(next);
                } else {
                    word.append(c);
                }
            }
        }

        private char inQuotes() {
            if (at == text.length()) {
                throw new IllegalArgumentException("has a \" that is not closed");
            }
            return text.charAt(at++);
        }

        private void escaped() {
            if (at == text.length()) {
                throw new IllegalArgumentException("ends with a backslash");
            }
            var next = text.charAt(at++);
            // A line that continues.
            if (next != '\n') {
                add(next);
            }
        }
    }
}
