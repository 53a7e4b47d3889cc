package dev.llmworker.text.answer;

import java.util.function.UnaryOperator;

/// How one call of a tool is written.
sealed interface CallForm {
    /// Stands for an id that the model makes up: one to nine letters and digits.
    char ID = '\u0001';
    int MAX_ID_LENGTH = 9;
    String ANY_ID = "[a-zA-Z0-9]{1," + MAX_ID_LENGTH + "}";

    /// The text before the tool's name; may have an [#ID].
    String before();

    /// The text after the arguments.
    String after();

    /// Whether it can only be the beginning of an answer or of a message in it.
    default boolean isFirst() {
        return false;
    }

    /// Whether any argument, even the first one, can have this name. It is one of the names that need no quotes.
    default boolean canName(String argument) {
        return true;
    }

    CallForm map(UnaryOperator<String> change);

    /// The name, and the arguments as a JSON object.
    ///
    /// @param between name and arguments; may have an [#ID]
    record NamedJson(String before, String between, String after, boolean isFirst) implements CallForm {
        NamedJson(String before, String between, String after) {
            this(before, between, after, false);
        }

        /// A JSON object with the name and the arguments.
        ///
        /// @param arguments the name of the arguments
        static NamedJson object(String before, String arguments, String after, boolean isFirst) {
            return new NamedJson(before + "{\"name\": \"", "\", \"" + arguments + "\": ", "}" + after, isFirst);
        }

        @Override
        public CallForm map(UnaryOperator<String> change) {
            return new NamedJson(change.apply(before), change.apply(between), change.apply(after), isFirst);
        }
    }

    /// The name, and each argument by itself. A string is written as it is, any other value as JSON.
    ///
    /// @param between name and arguments
    /// @param key before the name of an argument
    /// @param text between the name and a value that is a string
    /// @param json between the name and any other value
    /// @param end after a value. No beginning of it is also an end of it, so that a value ends where it is found
    ///     first
    record Parameters(String before, String between, String key, String text, String json, String end, String after)
            implements CallForm {
        @Override
        public CallForm map(UnaryOperator<String> change) {
            return new Parameters(
                    change.apply(before),
                    change.apply(between),
                    change.apply(key),
                    change.apply(text),
                    change.apply(json),
                    change.apply(end),
                    change.apply(after));
        }
    }

    /// The name, and a list of arguments, such as `name{key:value,key:value}`. Values are in a notation of
    /// their own, however deep they are: see [ListedValue].
    ///
    /// @param between name and arguments
    /// @param assign between the name of an argument and its value
    /// @param comma between two arguments
    /// @param quote before and after a string, in which nothing is escaped; empty if values are written as in
    ///     Python
    record Listed(String before, String between, String assign, String comma, String quote, String after)
            implements CallForm {
        /// A call without arguments has its end where the first name begins.
        @Override
        public boolean canName(String argument) {
            return !argument.contains(assign) && !argument.startsWith(after);
        }

        @Override
        public CallForm map(UnaryOperator<String> change) {
            return new Listed(
                    change.apply(before),
                    change.apply(between),
                    change.apply(assign),
                    change.apply(comma),
                    change.apply(quote),
                    change.apply(after));
        }
    }
}
