package dev.llmworker.weights;

import dev.llmworker.weights.content.ModelFileException;
import java.util.Set;
import java.util.regex.Pattern;
import java.util.regex.PatternSyntaxException;

/// Which modules entries of a model's lists mean, such as `ignore`.
sealed interface NamePattern {
    /// The names that tools give to layers of one class.
    String LINEAR = "Linear";

    String EMBEDDING = "Embedding";
    String EXPRESSION = "re:";
    int MOST_CHARACTERS = 1000;

    boolean matches(String module) throws ModelFileException;

    /// Modules by their names, or all of a class.
    record Names(Patterns patterns, Set<String> names) implements NamePattern {
        @Override
        public boolean matches(String module) throws ModelFileException {
            patterns.count(names.iterator().next(), module);
            return names.contains(module) || names.contains(classOf(module));
        }

        private static String classOf(String module) {
            return module.endsWith("embed_tokens") ? EMBEDDING : LINEAR;
        }
    }

    /// Names that an expression matches from their first character on.
    record Expression(Patterns patterns, Pattern pattern) implements NamePattern {
        @Override
        public boolean matches(String module) throws ModelFileException {
            patterns.count(pattern.pattern(), module);
            try {
                return pattern.matcher(new Counted(patterns, module)).lookingAt();
            } catch (TooManySteps | StackOverflowError _) {
                throw patterns.tooLong(pattern.pattern(), module);
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

    /// As [Part] for an entry without signs. Long lists have these alone.
    record PlainPart(Patterns patterns, String name) implements NamePattern {
        @Override
        public boolean matches(String module) throws ModelFileException {
            patterns.count(name, module);
            return module.endsWith(name)
                    || module.startsWith(name) && (name.endsWith(".") || module.charAt(name.length()) == '.');
        }
    }

    /// Makes the patterns of a file, and counts the steps of all of them: a file must not occupy a processor.
    final class Patterns {
        /// The lists of the largest models take a tenth.
        private static final long MOST_STEPS = 500_000_000;

        private static final int MOST_STEPS_OF_ONE = 100_000;
        private static final Pattern PLAIN = Pattern.compile("[\\w.-]+");

        private final JsonFile file;
        private final long mostSteps;
        private long steps;

        Patterns(JsonFile file) {
            this(file, MOST_STEPS);
        }

        Patterns(JsonFile file, long mostSteps) {
            this.file = file;
            this.mostSteps = mostSteps;
        }

        NamePattern names(Set<String> names) {
            return new Names(this, names);
        }

        NamePattern part(String entry) throws ModelFileException {
            if (PLAIN.matcher(entry).matches()) {
                return new PlainPart(this, entry);
            }
            check(entry);
            // The group keeps the boundary at every alternative.
            return new Part(compiled("(?:" + entry + ")(?:(?<=\\.)|(?=\\.|$))"), entry);
        }

        Expression expression(String expression) throws ModelFileException {
            check(expression);
            return compiled(expression);
        }

        private void check(String expression) throws ModelFileException {
            if (expression.length() > MOST_CHARACTERS) {
                throw problem(expression, "has more than " + MOST_CHARACTERS + " characters");
            }
            var problem = PatternShape.problem(expression);
            if (problem.isPresent()) {
                throw problem(expression, problem.get());
            }
        }

        private Expression compiled(String expression) throws ModelFileException {
            try {
                return new Expression(this, Pattern.compile(expression));
            } catch (PatternSyntaxException | StackOverflowError _) {
                throw problem(expression, "is no valid expression");
            }
        }

        private void count(String pattern, String module) throws ModelFileException {
            if (++steps > mostSteps) {
                throw tooLong(pattern, module);
            }
        }

        private ModelFileException tooLong(String pattern, String module) {
            return problem(
                    pattern,
                    "takes too long on " + module
                            + (steps > mostSteps ? ", as all patterns took " + mostSteps + " steps" : ""));
        }

        private ModelFileException problem(String pattern, String problem) {
            return file.problem(Quantisation.FIELD, "has the pattern " + pattern + ", which " + problem);
        }
    }

    /// A name whose characters can be read a limited number of times.
    final class Counted implements CharSequence {
        private final Patterns patterns;
        private final String name;
        private int steps;

        Counted(Patterns patterns, String name) {
            this.patterns = patterns;
            this.name = name;
        }

        @Override
        public int length() {
            return name.length();
        }

        @Override
        public char charAt(int index) {
            if (++steps > Patterns.MOST_STEPS_OF_ONE || ++patterns.steps > patterns.mostSteps) {
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
