package dev.llmworker.weights.content;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.llmworker.weights.Gguf;
import dev.llmworker.weights.GgufFile;
import java.io.IOException;
import java.nio.file.Path;
import java.util.List;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.function.Executable;
import org.junit.jupiter.api.io.TempDir;

class MetadataTest {
    private static final byte[] ONES = {-1, -1, -1, -1, -1, -1, -1, -1};

    @TempDir
    Path directory;

    @Test
    void everyTypeOfValueIsRead() throws IOException {
        var metadata = read(new GgufFile()
                .string("string", "käse \uD83E\uDDC0")
                .flag("yes", true)
                .flag("no", false)
                .number("float", 1e-5f)
                .raw("uint8", ValueType.UINT8.ordinal(), (byte) 200)
                .raw("int8", ValueType.INT8.ordinal(), (byte) 200)
                .raw("uint16", ValueType.UINT16.ordinal(), (byte) 1, (byte) 255)
                .raw("int16", ValueType.INT16.ordinal(), (byte) 1, (byte) 255)
                .integer("uint32", Integer.MAX_VALUE)
                .integer("int32", -7)
                .raw("uint64", ValueType.UINT64.ordinal(), bytes(1, 2, 0, 0, 0, 0, 0, 0))
                .raw("int64", ValueType.INT64.ordinal(), ONES)
                .raw("double", ValueType.FLOAT64.ordinal(), bytes(0, 0, 0, 0, 0, 0, 0xF8, 0x3F)));
        assertEquals("käse \uD83E\uDDC0", metadata.string("string"));
        assertTrue(metadata.flag("yes", false));
        assertFalse(metadata.flag("no", true));
        assertEquals(1e-5f, metadata.number("float"));
        assertEquals(200, metadata.integer("uint8"));
        assertEquals(-56, metadata.integer("int8"));
        assertEquals(0xFF01, metadata.integer("uint16"));
        assertEquals(-255, metadata.integer("int16"));
        assertEquals(Integer.MAX_VALUE, metadata.integer("uint32"));
        assertEquals(-7, metadata.integer("int32"));
        assertEquals(513, metadata.integer("uint64"));
        assertEquals(-1, metadata.integer("int64"));
        assertEquals(1.5f, metadata.number("double"));
        assertEquals(-7f, metadata.number("int32"));
        assertEquals(13, metadata.keys().size());
        assertTrue(metadata.has("int64"));
        assertFalse(metadata.has("int128"));
    }

    @Test
    void everyTypeOfArrayIsRead() throws IOException {
        var metadata = read(new GgufFile()
                .strings("strings", List.of("", "a b", "ß"))
                .strings("no strings", List.of())
                .integers("integers", 1, -2, Integer.MIN_VALUE)
                .numbers("numbers", 0.5f, Float.NEGATIVE_INFINITY)
                .raw("bytes", ValueType.ARRAY.ordinal(), bytes(0, 0, 0, 0, 2, 0, 0, 0, 0, 0, 0, 0, 255, 1))
                .raw("flags", ValueType.ARRAY.ordinal(), bytes(7, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 1)));
        assertEquals(List.of("", "a b", "ß"), metadata.strings("strings"));
        assertEquals(List.of(), metadata.strings("no strings"));
        assertArrayEquals(new int[] {1, -2, Integer.MIN_VALUE}, metadata.integers("integers"));
        assertArrayEquals(new float[] {0.5f, Float.NEGATIVE_INFINITY}, metadata.numbers("numbers"));
        assertArrayEquals(new float[] {1, -2, Integer.MIN_VALUE}, metadata.numbers("integers"));
        assertArrayEquals(new int[] {255, 1}, metadata.integers("bytes"));
        assertThrows(
                UnsupportedOperationException.class,
                () -> metadata.strings("strings").set(0, "x"));
        assertRefused(
                "metadata flags is an array of 1 BOOL; expected an array of numbers", () -> metadata.numbers("flags"));
    }

    @Test
    void aFallbackStandsInForAMissingKeyOnly() throws IOException {
        var metadata = read(new GgufFile().string("name", "x"));
        assertEquals("y", metadata.string("absent", "y"));
        assertEquals(3, metadata.integer("absent", 3));
        assertEquals(2f, metadata.number("absent", 2f));
        assertTrue(metadata.flag("absent", true));
        assertEquals("x", metadata.string("name", "y"));
        assertRefused("metadata name is a STRING; expected an integer", () -> metadata.integer("name", 3));
        assertRefused("metadata name is a STRING; expected a number", () -> metadata.number("name", 3));
        assertRefused("metadata name is a STRING; expected a flag", () -> metadata.flag("name", true));
    }

    @Test
    void aMissingKeyIsNamed() throws IOException {
        var metadata = read(new GgufFile());
        assertRefused("metadata llama.block_count is missing", () -> metadata.integer("llama.block_count"));
        assertRefused("metadata tokens is missing", () -> metadata.strings("tokens"));
    }

    @Test
    void aValueOfAnotherTypeIsNamedWithBothTypes() throws IOException {
        var metadata = read(new GgufFile()
                .integer("uint", 1)
                .integer("int", -1)
                .number("float", 1)
                .strings("strings", List.of("a"))
                .integers("integers", 1, 2, 3)
                .numbers("numbers", 1));
        assertRefused("metadata uint is a UINT32; expected a string", () -> metadata.string("uint"));
        assertRefused("metadata int is an INT32; expected an array of strings", () -> metadata.strings("int"));
        assertRefused("metadata float is a FLOAT32; expected an integer", () -> metadata.integer("float"));
        assertRefused(
                "metadata strings is an array of 1 STRING; expected an array of integers",
                () -> metadata.integers("strings"));
        assertRefused(
                "metadata integers is an array of 3 INT32; expected an integer", () -> metadata.integer("integers"));
        assertRefused(
                "metadata numbers is an array of 1 FLOAT32; expected an array of integers",
                () -> metadata.integers("numbers"));
    }

    @Test
    void anIntegerThatDoesNotFitIsShown() throws IOException {
        var metadata = read(new GgufFile()
                .raw("large", ValueType.UINT64.ordinal(), ONES)
                .raw("uint", ValueType.UINT32.ordinal(), bytes(255, 255, 255, 255)));
        assertRefused(
                "metadata large has 18446744073709551615; expected -2147483648 to 2147483647",
                () -> metadata.integer("large"));
        assertRefused(
                "metadata uint has 4294967295; expected -2147483648 to 2147483647", () -> metadata.integer("uint"));
        assertEquals(0x1p64f, metadata.number("large"));
    }

    @Test
    void aNumberThatAFloatDoesNotHoldIsShown() throws IOException {
        var metadata = read(new GgufFile()
                .number("nan", Float.NaN)
                .raw("double", ValueType.FLOAT64.ordinal(), bytes(0, 0, 0, 0, 0, 0, 0xF0, 0x7E)));
        assertRefused("metadata nan is NaN; expected a number that a float holds", () -> metadata.number("nan"));
        assertRefused(
                "metadata double is 2.7430620343968443E303; expected a number that a float holds",
                () -> metadata.number("double"));
    }

    private static byte[] bytes(int... values) {
        var bytes = new byte[values.length];
        for (var i = 0; i < values.length; i++) {
            bytes[i] = (byte) values[i];
        }
        return bytes;
    }

    private static void assertRefused(String message, Executable lookUp) {
        assertEquals(
                "model.gguf: " + message,
                assertThrows(ModelFileException.class, lookUp).getMessage());
    }

    private Metadata read(GgufFile file) throws IOException {
        try (var gguf = Gguf.open(file.write(directory.resolve("model.gguf")))) {
            return gguf.metadata();
        }
    }
}
