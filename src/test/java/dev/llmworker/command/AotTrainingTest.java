package dev.llmworker.command;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;

import java.nio.file.Files;
import java.nio.file.NoSuchFileException;
import java.nio.file.Path;
import java.util.Map;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

class AotTrainingTest {
    @TempDir
    Path folder;

    @Test
    void theWholeWorkerAnswersWithTheTinyModel() throws Exception {
        var before = leftovers();

        // It throws where an answer is not what it should be.
        AotTraining.run(Map.of("ROUTES", "routes"));

        assertEquals(before, leftovers());
    }

    @Test
    void itHasAllRoutesOfTheWorker() throws Exception {
        var trained = Stream.concat(AotTraining.OWN_ROUTES.stream(), AotTraining.MORE_ROUTES.stream())
                .map(name -> name + ".camel.yaml");
        try (var files = Files.list(Path.of("routes"))) {
            var routes = files.map(file -> file.getFileName().toString()).filter(name -> name.endsWith(".camel.yaml"));
            assertEquals(routes.sorted().toList(), trained.sorted().toList());
        }
    }

    @Test
    void withoutItsRoutesItSaysSo() {
        assertThrows(NoSuchFileException.class, () -> AotTraining.run(Map.of("ROUTES", folder.toString())));
    }

    private static long leftovers() throws Exception {
        try (var files = Files.list(Path.of(System.getProperty("java.io.tmpdir")))) {
            return files.filter(file -> file.getFileName().toString().startsWith("aot-training"))
                    .count();
        }
    }
}
