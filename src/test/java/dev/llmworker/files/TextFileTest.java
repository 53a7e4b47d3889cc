package dev.llmworker.files;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;

import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

class TextFileTest {
    private static final String MARK = "\uFEFF";

    @TempDir
    private Path folder;

    private Path file(byte[] bytes) throws IOException {
        return Files.write(folder.resolve("text"), bytes);
    }

    @Test
    void aMarkIsNoPartOfTheTextAndChoosesTheEncoding() throws Exception {
        for (var text : List.of("", "a", "ä = ö\r\nb\n", "a" + MARK + "b", "\uFFFD")) {
            assertEquals(text, TextFile.read(file(text.getBytes(StandardCharsets.UTF_8))));
            for (var encoding : List.of(StandardCharsets.UTF_8, StandardCharsets.UTF_16LE, StandardCharsets.UTF_16BE)) {
                assertEquals(text, TextFile.read(file((MARK + text).getBytes(encoding))), encoding + " " + text);
            }
        }
    }

    @Test
    void aLineThatIsNotUtf8IsNamed() throws Exception {
        var windows = "a\r\nb\r\nGr\u00FC\u00DFe\r\n".getBytes(StandardCharsets.ISO_8859_1);
        var refused = assertThrows(IOException.class, () -> TextFile.read(file(windows)));
        assertEquals("line 3 is not UTF-8", refused.getMessage());
        assertEquals("a\r\nb\r\nGr\uFFFD\uFFFDe\r\n", TextFile.text(windows));
        var half =
                assertThrows(IOException.class, () -> TextFile.read(file(new byte[] {(byte) 0xFF, (byte) 0xFE, 65})));
        assertEquals("line 1 is not UTF-16LE", half.getMessage());
    }
}
