package dev.llmworker.weights.content;

import static org.junit.jupiter.api.Assertions.assertEquals;

import java.nio.file.Path;
import org.junit.jupiter.api.Test;

class ModelFileExceptionTest {
    @Test
    void aMessageIsOneLineWithoutTheDirectoryWhateverItQuotes() {
        var refusal = new ModelFileException(Path.of("/models/a.gguf"), "architecture x\r\n\u2028\u202E1");
        assertEquals("a.gguf: architecture x????1", refusal.getMessage());
    }

    @Test
    void theRootDirectoryIsNamedAsItIs() {
        assertEquals(
                "/: is not a regular file", new ModelFileException(Path.of("/"), "is not a regular file").getMessage());
    }
}
