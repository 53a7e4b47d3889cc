package dev.llmworker.scaling.client;

import java.lang.annotation.ElementType;
import java.lang.annotation.Retention;
import java.lang.annotation.RetentionPolicy;
import java.lang.annotation.Target;
import java.lang.reflect.Field;
import java.util.List;
import java.util.Optional;
import picocli.CommandLine.Model.ArgSpec;
import picocli.CommandLine.Model.OptionSpec;

/// The lowest and highest value of an option that is a number or a list of numbers.
@Retention(RetentionPolicy.RUNTIME)
@Target(ElementType.FIELD)
public @interface Range {
    double from();

    double to();

    /// Says what is wrong with a value.
    final class Check {
        private Check() {}

        /// @return empty if the value of an option is in its range, or if it has none
        public static Optional<String> value(ArgSpec option) {
            return range(option)
                    .flatMap(range -> (option.getValue() instanceof List<?> list
                                    ? list
                                    : List.of(option.<Object>getValue()))
                            .stream()
                                    .filter(value -> value instanceof Number number
                                            && (number.doubleValue() < range.from()
                                                    || number.doubleValue() > range.to()))
                                    .findFirst()
                                    .map(value -> message(option, range, value.toString())));
        }

        /// @param text that is no number
        /// @return empty if the option need not be a number
        public static Optional<String> text(ArgSpec option, String text) {
            return range(option).map(range -> message(option, range, text));
        }

        private static Optional<Range> range(ArgSpec option) {
            return option.userObject() instanceof Field field
                    ? Optional.ofNullable(field.getAnnotation(Range.class))
                    : Optional.empty();
        }

        private static String message(ArgSpec option, Range range, String text) {
            return "%s is \"%s\"; it must be a %s from %s to %s"
                    .formatted(
                            ((OptionSpec) option).longestName(),
                            text,
                            option.type() == double.class ? "number" : "whole number",
                            Figures.plain(range.from()),
                            Figures.plain(range.to()));
        }
    }
}
