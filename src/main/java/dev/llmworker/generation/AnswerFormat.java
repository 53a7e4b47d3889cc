package dev.llmworker.generation;

import java.util.List;

/// What an answer must look like. The engine enforces it: no other token can be chosen.
public sealed interface AnswerFormat {
    /// The name of the field that asked for it, for errors.
    String field();

    /// A JSON value that a schema allows.
    ///
    /// @param schema a JSON schema as JSON text
    record Json(String field, String schema) implements AnswerFormat {
        private static final String OBJECT = "{\"type\":\"object\"}";

        /// Any JSON object.
        public static Json object(String field) {
            return new Json(field, OBJECT);
        }

        public boolean isAnyObject() {
            return schema.equals(OBJECT);
        }
    }

    /// A text that a regular expression matches as a whole.
    record Pattern(String field, String regex) implements AnswerFormat {}

    /// One of these texts.
    record Choice(String field, List<String> options) implements AnswerFormat {
        public Choice {
            options = List.copyOf(options);
        }
    }
}
