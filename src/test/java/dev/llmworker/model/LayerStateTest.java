package dev.llmworker.model;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.regex.Pattern;
import org.junit.jupiter.api.Test;

class LayerStateTest {
    private static final Path SOURCES = Path.of("src/main");

    @Test
    void theProgramsHaveTheSameNumbers() throws IOException {
        assertEquals(LayerState.COPIES, number("torchscript/program.py", "STATES: Final\\[int\\]"));
        assertEquals(LayerState.COPIES, number("native/kv_cache.h", "STATES"));
        assertEquals(LayerState.Ring.PIECE, number("native/kv_cache.h", "PIECE"));
    }

    private static int number(String file, String name) throws IOException {
        var source = Files.readString(SOURCES.resolve(file));
        var found = Pattern.compile("\\b" + name + " = (\\d+)\\b").matcher(source);
        assertTrue(found.find(), () -> file + " has no " + name);
        return Integer.parseInt(found.group(1));
    }
}
