package dev.llmworker.weights.content;

import java.nio.file.Path;
import java.util.Collections;
import java.util.List;
import java.util.Map;
import java.util.Set;
import org.jspecify.annotations.Nullable;

/// The metadata of a model, read by GGUF's keys and by type. A look-up throws a [ModelFileException] if the value
/// has another type; the message has the file, the key and both types. A look-up without a fallback also throws
/// if the key is missing.
///
/// Threading: any thread; usable after the file is closed.
public final class Metadata {
    /// A value's file, its name there, and its text there if that is another one.
    public record Source(Path file, String name, @Nullable String text) {
        public Source(Path file, String name) {
            this(file, name, null);
        }
    }

    private final Path file;
    private final Map<String, Value> values;
    private final Map<String, Source> sources;

    /// The metadata of a GGUF file.
    ///
    /// @param values not changed afterwards
    public Metadata(Path file, Map<String, Value> values) {
        this(file, values, Map.of());
    }

    /// @param file the file of values without a source
    /// @param sources the origin of values that have other names than GGUF's keys, including missing ones
    public Metadata(Path file, Map<String, Value> values, Map<String, Source> sources) {
        this.file = file;
        this.values = values;
        this.sources = sources;
    }

    /// The metadata's file, for messages.
    public Path file() {
        return file;
    }

    /// The keys in file order, unmodifiable.
    public Set<String> keys() {
        return Collections.unmodifiableSet(values.keySet());
    }

    /// @param problem what is wrong with the value of `key`
    public ModelFileException problem(String key, String problem) {
        var source = sources.get(key);
        return source == null
                ? new ModelFileException(file, "metadata " + key + " " + problem)
                : new ModelFileException(source.file(), source.name() + " " + problem);
    }

    public boolean has(String key) {
        return values.containsKey(key);
    }

    public String string(String key) throws ModelFileException {
        return switch (value(key)) {
            case Value.Text text when text.malformedAt() >= 0 -> throw problem(key, text.problem());
            case Value.Text text -> text.text();
            case Value other -> throw mismatch(key, other, "a string");
        };
    }

    /// A string as its file writes it, for messages.
    public String written(String key) throws ModelFileException {
        var source = sources.get(key);
        return source == null || source.text() == null ? string(key) : source.text();
    }

    /// A text that is only shown: it may be any bytes. Those that are not UTF-8 are U+FFFD.
    public String shown(String key, String fallback) {
        return values.get(key) instanceof Value.Text text ? text.text() : fallback;
    }

    public String string(String key, String fallback) throws ModelFileException {
        return has(key) ? string(key) : fallback;
    }

    /// An integer of any type. A value that does not fit into an `int` is rejected.
    public int integer(String key) throws ModelFileException {
        if (!(value(key) instanceof Value.Scalar scalar && scalar.type().isInteger())) {
            throw mismatch(key, value(key), "an integer");
        }
        return fitting(key, scalar.type(), scalar.integer());
    }

    public int integer(String key, int fallback) throws ModelFileException {
        return has(key) ? integer(key) : fallback;
    }

    /// A number of any type, rounded to a float. A value that is not finite is rejected.
    public float number(String key) throws ModelFileException {
        if (!(value(key) instanceof Value.Scalar scalar && scalar.type().isNumber())) {
            throw mismatch(key, value(key), "a number");
        }
        var number = (float) scalar.number();
        if (!Float.isFinite(number)) {
            throw problem(key, "is " + scalar.number() + "; expected a number that a float holds");
        }
        return number;
    }

    public float number(String key, float fallback) throws ModelFileException {
        return has(key) ? number(key) : fallback;
    }

    public boolean flag(String key, boolean fallback) throws ModelFileException {
        if (!has(key)) {
            return fallback;
        }
        if (value(key) instanceof Value.Scalar scalar && scalar.type() == ValueType.BOOL) {
            return scalar.integer() != 0;
        }
        throw mismatch(key, value(key), "a flag");
    }

    /// An array of strings, unmodifiable.
    public List<String> strings(String key) throws ModelFileException {
        return switch (value(key)) {
            case Value.Texts texts
            when texts.malformedAt() >= 0 -> throw problem(key, new Value.Text("", texts.malformedAt()).problem());
            case Value.Texts texts -> texts.texts();
            case Value other -> throw mismatch(key, other, "an array of strings");
        };
    }

    /// An array of integers of any type. A value that does not fit into an `int` is rejected.
    public int[] integers(String key) throws ModelFileException {
        var scalars = scalars(key, "an array of integers");
        if (!scalars.type().isInteger()) {
            throw mismatch(key, scalars, "an array of integers");
        }
        // Most files use this type. A start reads the types of all tokens with code that is not compiled yet.
        if (scalars.type() == ValueType.INT32) {
            return scalars.raw().toArray(ValueType.INT);
        }
        var integers = new int[scalars.count()];
        for (var i = 0; i < integers.length; i++) {
            integers[i] = fitting(key, scalars.type(), scalars.integerAt(i));
        }
        return integers;
    }

    public boolean isList(String key) {
        return values.get(key) instanceof Value.Scalars;
    }

    /// An array of integers or flags; a flag is 0 or 1.
    public int[] list(String key) throws ModelFileException {
        var scalars = scalars(key, "an array of integers or flags");
        return scalars.type() == ValueType.BOOL ? scalars.integers() : integers(key);
    }

    /// An array of numbers of any type, rounded to floats, which may be infinite or NaN.
    public float[] numbers(String key) throws ModelFileException {
        var scalars = scalars(key, "an array of numbers");
        if (!scalars.type().isNumber()) {
            throw mismatch(key, scalars, "an array of numbers");
        }
        var numbers = new float[scalars.count()];
        for (var i = 0; i < numbers.length; i++) {
            numbers[i] = (float) scalars.numberAt(i);
        }
        return numbers;
    }

    private Value value(String key) throws ModelFileException {
        var value = values.get(key);
        if (value == null) {
            throw problem(key, "is missing");
        }
        return value;
    }

    private Value.Scalars scalars(String key, String expected) throws ModelFileException {
        return switch (value(key)) {
            case Value.Scalars scalars -> scalars;
            case Value other -> throw mismatch(key, other, expected);
        };
    }

    private int fitting(String key, ValueType type, long value) throws ModelFileException {
        var unsigned = type == ValueType.UINT64 && value < 0;
        if (unsigned || value != (int) value) {
            var shown = unsigned ? Long.toUnsignedString(value) : Long.toString(value);
            throw problem(key, "has " + shown + "; expected " + Integer.MIN_VALUE + " to " + Integer.MAX_VALUE);
        }
        return (int) value;
    }

    private ModelFileException mismatch(String key, Value found, String expected) {
        return problem(key, "is " + found.description() + "; expected " + expected);
    }
}
