package dev.llmworker.routes;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.llmworker.generation.MockGenerator;
import dev.llmworker.testing.RouteFolder;
import dev.llmworker.testing.RunningWorker;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/// `application.properties` as Camel and the routes see it: the text that the settings are read from.
class CamelPropertiesTest {
    @TempDir
    Path folder;

    @Test
    void routesAndFilesMayComeFromWindows() throws Exception {
        var routes = RouteFolder.in(folder)
                .route(
                        "greet",
                        "platform-http:/greet",
                        "setBody: {constant: '{{greeting}} {{other:none}} {{API_KEYS:open}}'}");
        var yaml = folder.resolve("greet.camel.yaml");
        var text = "\uFEFF" + Files.readString(yaml).replace("\n", "\r\n");
        for (var encoding : List.of(StandardCharsets.UTF_8, StandardCharsets.UTF_16LE)) {
            Files.writeString(yaml, text, encoding);
            Files.writeString(
                    folder.resolve("application.properties"), "\uFEFFgreeting = Gr\u00FC\u00DFe\r\n", encoding);
            try (var worker = RunningWorker.with(new MockGenerator(), routes.path())) {
                assertEquals("Gr\u00FC\u00DFe none open", worker.get("/greet").body(), encoding.name());
            }
        }
    }

    @Test
    void anOptionThatCamelDoesNotHaveIsRefused() throws Exception {
        var routes = RouteFolder.in(folder);
        Files.writeString(folder.resolve("application.properties"), "camel.main.nosuch = 1\n");
        var refused = assertThrows(Exception.class, () -> RunningWorker.with(new MockGenerator(), routes.path()));
        var said = new StringBuilder();
        for (Throwable cause = refused; cause != null; cause = cause.getCause()) {
            said.append(cause);
        }
        assertTrue(said.toString().contains("nosuch"), said::toString);
    }

    @Test
    void anOptionThatCamelHasIsTaken() throws Exception {
        var routes = RouteFolder.in(folder);
        Files.writeString(folder.resolve("application.properties"), "camel.main.description = of mine\n");
        try (var worker = RunningWorker.with(new MockGenerator(), routes.path())) {
            assertEquals("of mine", worker.context().getDescription());
        }
    }
}
