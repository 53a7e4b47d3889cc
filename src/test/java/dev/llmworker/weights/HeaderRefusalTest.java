package dev.llmworker.weights;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.llmworker.weights.content.ModelFileException;
import dev.llmworker.weights.content.ValueType;
import java.io.IOException;
import java.io.RandomAccessFile;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.HexFormat;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;

class HeaderRefusalTest {
    private static final int STRING = ValueType.STRING.ordinal();
    private static final int ARRAY = ValueType.ARRAY.ordinal();

    @TempDir
    Path directory;

    @Test
    void onlyRegularFilesAreOpened() throws Exception {
        assertRefused("absent.gguf: does not exist", directory.resolve("absent.gguf"));
        var folder = Files.createDirectory(directory.resolve("folder.gguf"));
        assertRefused("folder.gguf: is not a regular file", folder);
        assertRefused("null: is not a regular file", Path.of("/dev/null"));
        var link = Files.createSymbolicLink(directory.resolve("link.gguf"), folder);
        assertRefused("link.gguf: is not a regular file", link);
        var fifo = directory.resolve("fifo.gguf");
        assertEquals(0, new ProcessBuilder("mkfifo", fifo.toString()).start().waitFor());
        assertRefused("fifo.gguf: is not a regular file", fifo);
    }

    @ParameterizedTest
    @CsvSource(
            delimiter = '|',
            value = {
                "GG | it has 2 bytes, and the signature takes 4",
                "'' | it has 0 bytes, and the signature takes 4",
                "ggml-and-more | it starts with the bytes 67 67 6d 6c; expected 47 47 55 46",
                "PK\u0003\u0004rest | it is a ZIP archive, like PyTorch's checkpoints",
                "<!DOCTYPE html><p> | it is a web page",
                "<HTML lang='en'> | it is a web page",
                "12345678{\"__metadata__\":{}} | it looks like a safetensors file",
                "version https://git-lfs.github.com/spec/v1 | it is a Git LFS pointer;"
                        + " `git lfs pull` fetches the file itself",
            })
    void anotherKindOfFileIsToldByItsFirstBytes(String content, String kind) throws IOException {
        assertRefused("is not a GGUF file: " + kind, content.getBytes(StandardCharsets.ISO_8859_1));
    }

    @Test
    void otherVersionsAreRefused() throws IOException {
        assertRefused("is GGUF version 1; supported: 2, 3", new GgufFile().version(1));
        assertRefused("is GGUF version 4; supported: 2, 3", new GgufFile().version(4));
        assertRefused("is GGUF version 4294967295; supported: 2, 3", new GgufFile().version(-1));
        assertRefused(
                "is a big-endian GGUF file; only little-endian ones are supported", new GgufFile().version(3 << 24));
    }

    @Test
    void aTruncatedFileSaysWhereItEndsAndWhatIsMissing() throws IOException {
        var bytes = new GgufFile()
                .integer("n", 1)
                .floats("w", new float[] {1, 2}, 2)
                .floats("x", new float[] {3, 4}, 2)
                .bytes();
        assertRefused(
                "is truncated: it ends at byte 20, and the header needs bytes 16 to 24",
                Arrays.copyOf(new GgufFile().bytes(), 20));
        assertRefused(
                "the header has 2 tensors at byte 8; the file, of 20 bytes, has room for at most 0",
                Arrays.copyOf(bytes, 20));
        assertRefused(
                "is truncated: it ends at byte 40, and metadata n needs bytes 37 to 41",
                padded(Arrays.copyOf(bytes, 40), new GgufFile().tensorCount(0).keyCount(1)));
        assertRefused(
                "tensor x takes 8 bytes from byte 32 of the data, which starts at byte 128; the file ends at byte 164",
                Arrays.copyOf(bytes, 164));
    }

    /// The bytes with another file's counts.
    private static byte[] padded(byte[] bytes, GgufFile counts) {
        System.arraycopy(counts.bytes(), 0, bytes, 0, 24);
        return bytes;
    }

    @Test
    void countsAreBoundedByTheFileAndByLimits() throws IOException {
        assertRefused(
                "the header has 18446744073709551615 tensors at byte 8; the file, of 32 bytes, has room for at most 0",
                new GgufFile().tensorCount(-1));
        assertRefused(
                "the header has 9 metadata keys at byte 16; the file, of 64 bytes, has room for at most 2",
                new GgufFile().keyCount(9).integer("n", 1));
        var large = Arrays.copyOf(new GgufFile().tensorCount(65_537).bytes(), 65_537 * 40);
        assertRefused("the header has 65537 tensors at byte 8; the limit is 65536", large);
        large = Arrays.copyOf(new GgufFile().keyCount(1L << 40).bytes(), 65_537 * 40);
        assertRefused("the header has 1099511627776 metadata keys at byte 16; the limit is 65536", large);
    }

    @Test
    void aStringMayNotReachPastTheFile() throws IOException {
        assertRefused(
                "metadata s has a string of 1000 bytes at byte 37; the file ends at byte 64",
                new GgufFile().raw("s", STRING, long64(1000)));
        assertRefused(
                "metadata s has a string of 18446744073709551615 bytes at byte 37; the file ends at byte 64",
                new GgufFile().raw("s", STRING, long64(-1)));
    }

    @Test
    void anArrayMayNotReachPastTheFile() throws IOException {
        assertRefused(
                "metadata a has 4611686018427387904 elements of INT32 at byte 41; the file, of 64 bytes, has room for at most 3",
                new GgufFile().raw("a", ARRAY, array(ValueType.INT32, 1L << 62)));
        assertRefused(
                "metadata a has 18446744073709551615 elements of STRING at byte 41; the file, of 64 bytes, has room for at most 1",
                new GgufFile().raw("a", ARRAY, array(ValueType.STRING, -1)));
    }

    @Test
    void aHeaderMayNotFillTheMemory() throws IOException {
        var file = new GgufFile()
                .raw("a", ARRAY, array(ValueType.UINT8, (64 << 20) - 49))
                .write(directory.resolve("model.gguf"));
        grow(file, 100 << 20);
        Gguf.open(file).close();
        file = new GgufFile()
                .raw("a", ARRAY, array(ValueType.UINT8, (64 << 20) - 48))
                .write(file);
        grow(file, 100 << 20);
        assertRefused("model.gguf: metadata a reaches to byte 67108865; the limit of a header is 67108864 bytes", file);
        file = new GgufFile()
                .raw("a", ARRAY, array(ValueType.STRING, 8_388_609))
                .write(file);
        grow(file, 100 << 20);
        assertRefused("model.gguf: metadata a has 8388609 elements of STRING at byte 41; the limit is 8388608", file);
    }

    private static void grow(Path file, long bytes) throws IOException {
        try (var random = new RandomAccessFile(file.toFile(), "rw")) {
            random.setLength(bytes);
        }
    }

    @Test
    void valuesOfUnknownTypesAndNestedArraysAreRefused() throws IOException {
        assertRefused("metadata k has unknown type 13; known: 0 to 12", new GgufFile().raw("k", 13));
        assertRefused("metadata k has unknown type 4294967295; known: 0 to 12", new GgufFile().raw("k", -1));
        assertRefused(
                "metadata k has unknown type 99; known: 0 to 12",
                new GgufFile().raw("k", ARRAY, (byte) 99, (byte) 0, (byte) 0, (byte) 0));
        assertRefused(
                "metadata k is an array of arrays; expected numbers, flags or strings in it",
                new GgufFile().raw("k", ARRAY, array(ValueType.ARRAY, 1)));
        assertRefused("metadata k is a BOOL of 2; expected 0 or 1", new GgufFile().raw("k", 7, (byte) 2));
    }

    @Test
    void keysAndTensorNamesAreThereOnce() throws IOException {
        assertRefused("metadata k occurs twice", new GgufFile().integer("k", 1).string("k", "v"));
        assertRefused(
                "tensor w occurs twice",
                new GgufFile().floats("w", new float[] {1}, 1).floats("w", new float[] {1}, 1));
    }

    @Test
    void namesAreShortAndPrintable() throws IOException {
        assertRefused(
                "metadata key 1 of 1 has a name of 257 bytes at byte 24; expected 1 to 256",
                new GgufFile().integer("k".repeat(257), 1));
        assertRefused(
                "metadata key 2 of 2 has a name of 0 bytes at byte 41; expected 1 to 256",
                new GgufFile().integer("k", 1).integer("", 1));
        assertRefused(
                "tensor 1 of 1 has a name of 65 bytes at byte 24; expected 1 to 64",
                new GgufFile().floats("w".repeat(65), new float[] {1}, 1));
        assertRefused(
                "tensor 1 of 1 has a name with an unprintable character at byte 24",
                new GgufFile().floats("w\nERROR all is lost", new float[] {1}, 1));
    }

    @ParameterizedTest
    @ValueSource(strings = {"C0 80", "ED A0 80", "FF", "61 E2 82", "F4 90 80 80", "EF BF BD 80"})
    void stringsMustBeUtf8IfTheyAreRead(String hex) throws IOException {
        var text = HexFormat.ofDelimiter(" ").parseHex(hex);
        var value = Arrays.copyOf(long64(text.length), 8 + text.length);
        System.arraycopy(text, 0, value, 8, text.length);
        var list = Arrays.copyOf(new byte[] {(byte) STRING}, 4 + 8 + value.length);
        list[4] = 1;
        System.arraycopy(value, 0, list, 12, value.length);
        var file = new GgufFile().raw("s", STRING, value).raw("l", ARRAY, list).write(directory.resolve("any.gguf"));

        try (var gguf = Gguf.open(file)) {
            var metadata = gguf.metadata();
            var one = assertThrows(ModelFileException.class, () -> metadata.string("s"));
            assertEquals("any.gguf: metadata s has a string at byte 37 that is not UTF-8", one.getMessage());
            var several = assertThrows(ModelFileException.class, () -> metadata.strings("l"));
            assertTrue(String.valueOf(several.getMessage()).startsWith("any.gguf: metadata l has a string at byte "));
            assertTrue(metadata.shown("s", "").contains("\uFFFD"));
        }
    }

    @Test
    void aModelHasAtMost1024Blocks() throws IOException {
        var file = new GgufFile().string("general.architecture", "llama").integer("llama.block_count", 1025);
        assertRefused("metadata llama.block_count is 1025; expected 1 to 1024", file);
        file = new GgufFile().string("general.architecture", "llama").integer("llama.block_count", 0);
        assertRefused("metadata llama.block_count is 0; expected 1 to 1024", file);
    }

    private static byte[] long64(long value) {
        return ByteBuffer.allocate(8)
                .order(ByteOrder.LITTLE_ENDIAN)
                .putLong(value)
                .array();
    }

    private static byte[] array(ValueType type, long count) {
        return ByteBuffer.allocate(12)
                .order(ByteOrder.LITTLE_ENDIAN)
                .putInt(type.ordinal())
                .putLong(count)
                .array();
    }

    private void assertRefused(String problem, GgufFile file) throws IOException {
        assertRefused(problem, file.bytes());
    }

    private void assertRefused(String problem, byte[] content) throws IOException {
        assertRefused("model.gguf: " + problem, Files.write(directory.resolve("model.gguf"), content));
    }

    private static void assertRefused(String message, Path file) {
        assertEquals(
                message,
                assertThrows(ModelFileException.class, () -> Gguf.open(file)).getMessage());
    }
}
