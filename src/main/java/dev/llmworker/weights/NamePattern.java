package dev.llmworker.weights;

import dev.llmworker.weights.content.ModelFileException;
import java.util.regex.Pattern;
import java.util.regex.PatternSyntaxException;

/// Which modules an entry of a model's lists means, such as `ignore`.
sealed interface NamePattern {
    /// The names that tools give to layers of one class.
    String LINEAR = "Linear";

    String EMBEDDING = "Embedding";
    String EXPRESSION = "re:";
    /// A pattern that takes more steps on one name is refused: a file must not occupy a processor.
    int MOST_STEPS = 100_000;

    int MOST_CHARACTERS = 1000;

    boolean matches(String module) throws ModelFileException;

    /// One module by its name, or all of a class.
    record Name(String name) implements NamePattern {
        @Override
        public boolean matches(String module) {
            return module.equals(name) || name.equals(classOf(module));
        }

        private static String classOf(String module) {
            return module.endsWith("embed_tokens") ? EMBEDDING : LINEAR;
        }
    }

    /// Names that an expression matches from their first character on.
    record Expression(JsonFile file, Pattern pattern) implements NamePattern {
        @Override
        public boolean matches(String module) throws ModelFileException {
            try {
                return pattern.matcher(new Steps(module)).lookingAt();
            } catch (TooManySteps | StackOverflowError _) {
                throw problem(file, pattern.pattern(), "takes too long on " + module);
            }
        }
    }

    /// A list of modules as transformers reads it: an expression up to a dot or the end of the name, or its end.
    record Part(Expression start, String end) implements NamePattern {
        @Override
        public boolean matches(String module) throws ModelFileException {
            return module.endsWith(end) || start.matches(module);
        }
    }

    /// An entry of `ignore` or `targets`.
    static NamePattern ofEntry(JsonFile file, String entry) throws ModelFileException {
        return entry.startsWith(EXPRESSION) ? expression(file, entry.substring(EXPRESSION.length())) : new Name(entry);
    }

    static NamePattern part(JsonFile file, String entry) throws ModelFileException {
        // The group keeps the boundary at every alternative.
        return new Part(expression(file, "(?:" + entry + ")(?:(?<=\\.)|(?=\\.|$))"), entry);
    }

    static Expression expression(JsonFile file, String expression) throws ModelFileException {
        if (expression.length() > MOST_CHARACTERS) {
            throw problem(file, expression, "has more than " + MOST_CHARACTERS + " characters");
        }
        try {
            return new Expression(file, Pattern.compile(expression));
        } catch (PatternSyntaxException | StackOverflowError _) {
            throw problem(file, expression, "is no valid expression");
        }
    }

    private static ModelFileException problem(JsonFile file, String expression, String problem) {
        return file.problem(Quantisation.FIELD, "has the pattern " + expression + ", which " + problem);
    }

    /// A name whose characters can be read a limited number of times.
    final class Steps implements CharSequence {
        private final String name;
        private int steps;

        Steps(String name) {
            this.name = name;
        }

        @Override
        public int length() {
            return name.length();
        }

        @Override
        public char charAt(int index) {
            if (++steps > MOST_STEPS) {
                throw new TooManySteps();
            }
            return name.charAt(index);
        }

        @Override
        public CharSequence subSequence(int start, int end) {
            return name.subSequence(start, end);
        }

        @Override
        public String toString() {
            return name;
        }
    }

    final class TooManySteps extends RuntimeException {
        private static final long serialVersionUID = 1;
    }
}
