package dev.llmworker.weights;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.llmworker.testing.Concurrent;
import dev.llmworker.weights.content.ModelFileException;
import java.io.IOException;
import java.lang.foreign.ValueLayout;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.List;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/// A model in several files, as `llama-gguf-split` writes them.
@Concurrent
class GgufPartsTest {
    private static final int PARTS = 3;

    @TempDir
    Path directory;

    @Test
    void theTensorsOfAllPartsAreThere() throws IOException {
        writeAll();
        try (var model = Gguf.open(path(1))) {
            assertEquals(List.of("a", "b", "c"), List.copyOf(model.tensors().keySet()));
            assertEquals("llama", model.metadata().string("general.architecture"));
            var last = model.tensor("c");
            assertEquals(3, last.data().get(ValueLayout.JAVA_FLOAT_UNALIGNED, 0));
            assertEquals(path(3), last.file());
        }
    }

    @Test
    void aPartThatIsMissingIsNamed() throws IOException {
        writeAll();
        Files.delete(path(2));
        assertRefused("x-00002-of-00003.gguf: does not exist; it is part 2 of 3", path(1));
    }

    @Test
    void anotherPartThanTheFirstIsRefusedWithTheFirst() throws IOException {
        writeAll();
        assertRefused(
                "x-00002-of-00003.gguf: is part 2 of a model in 3 files; open the first one, x-00001-of-00003.gguf",
                path(2));
    }

    @Test
    void aFirstPartOfAnotherNameIsRefused() throws IOException {
        var file = first().write(directory.resolve("renamed.gguf"));
        assertRefused(
                "renamed.gguf: is the first of 3 files, and its name must end in -00001-of-00003.gguf, so that the others"
                        + " are found",
                file);
        file = part(0, 2000).write(directory.resolve("x-00001-of-02000.gguf"));
        assertRefused("x-00001-of-02000.gguf: is of a model in 2000 files; at most 1024 can be read", file);
    }

    @Test
    void partsOfAnotherModelAreRefused() throws IOException {
        writeAll();
        part(2, PARTS)
                .integer("split.tensors.count", 3)
                .floats("b", new float[] {2}, 1)
                .write(path(2));
        assertRefused("x-00002-of-00003.gguf: metadata split.no is 2; the first part asks for 1", path(1));
        part(1, 4)
                .integer("split.tensors.count", 3)
                .floats("b", new float[] {2}, 1)
                .write(path(2));
        assertRefused("x-00002-of-00003.gguf: metadata split.count is 4; the first part asks for 3", path(1));
        part(1, PARTS)
                .integer("split.tensors.count", 9)
                .floats("b", new float[] {2}, 1)
                .write(path(2));
        assertRefused("x-00002-of-00003.gguf: metadata split.tensors.count is 9; the first part asks for 3", path(1));
        part(1, PARTS)
                .integer("split.tensors.count", 3)
                .floats("a", new float[] {2}, 1)
                .write(path(2));
        assertRefused("x-00002-of-00003.gguf: tensor a is in x-00001-of-00003.gguf too", path(1));
        part(1, PARTS)
                .integer("split.tensors.count", 3)
                .floats("b", new float[] {2}, 1)
                .floats("d", new float[] {4}, 1)
                .write(path(2));
        assertRefused("x-00001-of-00003.gguf: metadata split.tensors.count is 3; all parts together have 4", path(1));
        part(1, PARTS)
                .string("general.architecture", "qwen2")
                .integer("split.tensors.count", 3)
                .floats("b", new float[] {2}, 1)
                .write(path(2));
        assertRefused(
                "x-00002-of-00003.gguf: metadata general.architecture is qwen2; the first part asks for llama",
                path(1));
        new GgufFile().floats("b", new float[] {2}, 1).write(path(2));
        assertRefused("x-00002-of-00003.gguf: metadata split.", path(1));
    }

    @Test
    void aDamagedPartIsReadOrRefused() throws IOException {
        writeAll();
        var sound = Files.readAllBytes(path(3));
        for (var length = 0; length < sound.length - 28; length++) {
            Files.write(path(3), Arrays.copyOf(sound, length));
            assertRefused("x-00003-of-00003.gguf: ", path(1));
        }
        int opened = 0, refused = 0;
        for (var bit = 0; bit < sound.length * Byte.SIZE; bit++) {
            var damaged = sound.clone();
            damaged[bit / Byte.SIZE] ^= (byte) (1 << bit % Byte.SIZE);
            Files.write(path(3), damaged);
            try (var _ = Gguf.open(path(1))) {
                opened++;
            } catch (ModelFileException refusal) {
                refused++;
                assertTrue(String.valueOf(refusal.getMessage()).startsWith("x-0000"), refusal::getMessage);
            }
        }
        assertTrue(opened > 20 && refused > 200, opened + " opened, " + refused + " refused");
    }

    @Test
    void namesOfPartsAreFoundFromOneOfThem() {
        assertEquals(
                List.of("q/x-00001-of-00002.gguf", "q/x-00002-of-00002.gguf"),
                GgufParts.all("q/x-00002-of-00002.gguf"));
        assertEquals(List.of("x-00001-of-00001.gguf"), GgufParts.all("x-00001-of-00001.gguf"));
        assertEquals(List.of("x-1-of-2.gguf"), GgufParts.all("x-1-of-2.gguf"));
        assertEquals("x.gguf", GgufParts.joined("x-00001-of-00002.gguf"));
        assertEquals("x.gguf", GgufParts.joined("x.gguf"));
    }

    private void writeAll() throws IOException {
        first().write(path(1));
        part(1, PARTS)
                .integer("split.tensors.count", 3)
                .floats("b", new float[] {2}, 1)
                .write(path(2));
        part(2, PARTS)
                .integer("split.tensors.count", 3)
                .floats("c", new float[] {3}, 1)
                .write(path(3));
    }

    private static GgufFile first() {
        return part(0, PARTS)
                .string("general.architecture", "llama")
                .integer("split.tensors.count", 3)
                .floats("a", new float[] {1}, 1);
    }

    private static GgufFile part(int number, int count) {
        return new GgufFile().integer("split.no", number).integer("split.count", count);
    }

    private Path path(int part) {
        return directory.resolve("x-0000" + part + "-of-00003.gguf");
    }

    private static void assertRefused(String start, Path file) {
        var refused =
                assertThrows(ModelFileException.class, () -> Gguf.open(file).close());
        assertTrue(String.valueOf(refused.getMessage()).startsWith(start), refused::getMessage);
    }
}
