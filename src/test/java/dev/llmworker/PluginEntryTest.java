package dev.llmworker;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertNull;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.DataInputStream;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Objects;
import org.apache.camel.spi.ContextServicePlugin;
import org.junit.jupiter.api.Test;

/// What Camel JBang loads first says which Java the worker needs, under any Java that Camel JBang runs on.
class PluginEntryTest {
    private static final int JAVA_17 = 61;

    private static int classFileVersion(String name) throws Exception {
        try (var stream =
                new DataInputStream(Objects.requireNonNull(PluginEntry.class.getResourceAsStream(name + ".class")))) {
            stream.readInt();
            stream.readUnsignedShort();
            return stream.readUnsignedShort();
        }
    }

    @Test
    void camelFindsTheClassThatAnOlderJavaCanLoad() throws Exception {
        var services = Path.of("src/main/resources/META-INF/services", ContextServicePlugin.class.getName());
        assertEquals(PluginEntry.class.getName(), Files.readString(services).strip());
        assertEquals(JAVA_17, classFileVersion("PluginEntry"));
        // The main class of the jar: `java -jar`.
        assertEquals(JAVA_17, classFileVersion("JarEntry"));
        assertTrue(Files.readString(Path.of("pom.xml")).contains("<mainClass>" + JarEntry.class.getName() + "<"));
        assertTrue(classFileVersion("WorkerPlugin") > JAVA_17);
    }

    @Test
    void anOlderJavaIsNamedWithTheNeededOne() {
        assertNull(PluginEntry.problem(25));
        assertNull(PluginEntry.problem(30));
        var problem = String.valueOf(PluginEntry.problem(17));
        assertTrue(problem.startsWith("camel-llm-worker needs Java 25 or newer, and this is Java 17 in "), problem);
        assertTrue(problem.contains("JAVA_HOME"), problem);
    }
}
