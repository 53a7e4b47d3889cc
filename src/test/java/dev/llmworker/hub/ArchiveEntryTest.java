package dev.llmworker.hub;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.llmworker.hub.download.ModelUnavailableException;
import dev.llmworker.hub.progress.Progress;
import java.io.FileOutputStream;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.zip.CRC32;
import java.util.zip.ZipEntry;
import java.util.zip.ZipOutputStream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

class ArchiveEntryTest {
    private final byte[] content = "weights ".repeat(10_000).getBytes();

    @TempDir
    Path folder;

    @Test
    void aDeflatedEntryIsUnpacked() throws Exception {
        Files.write(archive(), StarterModelTest.zipped("a/model", content));

        entry("a/model", content.length).extract(archive(), file(), Progress.silent());

        assertArrayEquals(content, Files.readAllBytes(file()));
    }

    @Test
    void aStoredEntryIsUnpacked() throws Exception {
        try (var zip = new ZipOutputStream(new FileOutputStream(archive().toFile()))) {
            var entry = new ZipEntry("a/model");
            var crc = new CRC32();
            crc.update(content);
            entry.setMethod(ZipEntry.STORED);
            entry.setSize(content.length);
            entry.setCrc(crc.getValue());
            zip.putNextEntry(entry);
            zip.write(content);
        }

        entry("a/model", content.length).extract(archive(), file(), Progress.silent());

        assertArrayEquals(content, Files.readAllBytes(file()));
    }

    @Test
    void anEntryThatGrowsPastItsLengthIsCutOff() throws Exception {
        Files.write(archive(), StarterModelTest.zipped("a/model", content));

        assertEquals("a/model in " + archive() + " has more than 100 bytes, expected 100", refusal("a/model", 100));
    }

    @Test
    void aShorterEntryIsRefused() throws Exception {
        Files.write(archive(), StarterModelTest.zipped("a/model", content));

        assertEquals("a/model in " + archive() + " has 80000 bytes, expected 80001", refusal("a/model", 80_001));
    }

    @Test
    void otherContentIsRefusedWithBothHashes() throws Exception {
        var other = content.clone();
        other[5]++;
        Files.write(archive(), StarterModelTest.zipped("a/model", other));

        var refusal = refusal("a/model", content.length);

        assertTrue(refusal.contains("has sha256 " + StarterModelTest.sha256(other)), refusal);
        assertTrue(refusal.contains("expected " + StarterModelTest.sha256(content)), refusal);
    }

    @Test
    void aMissingEntryIsNamed() throws Exception {
        Files.write(archive(), StarterModelTest.zipped("a/model", content));

        assertEquals(archive() + " has no entry b/model", refusal("b/model", content.length));
    }

    @Test
    void whatIsNoArchiveIsRefused() throws Exception {
        Files.writeString(archive(), "<html>log in first</html>");

        var refusal = refusal("a/model", content.length);

        assertTrue(refusal.startsWith(archive() + ": "), refusal);
    }

    private String refusal(String name, long bytes) throws IOException {
        var refused = assertThrows(
                ModelUnavailableException.class,
                () -> entry(name, bytes).extract(archive(), file(), Progress.silent()));
        assertArrayEquals(new String[] {"archive.zip"}, folder.toFile().list());
        return String.valueOf(refused.getMessage());
    }

    private ArchiveEntry entry(String name, long bytes) {
        return new ArchiveEntry(name, bytes, StarterModelTest.sha256(content));
    }

    private Path archive() {
        return folder.resolve("archive.zip");
    }

    private Path file() {
        return folder.resolve("model");
    }
}
