package dev.llmworker;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.llmworker.testing.StartsProcesses;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;
import java.util.List;
import java.util.stream.Stream;
import javax.xml.parsers.DocumentBuilderFactory;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.w3c.dom.Element;

/// The script `fetch-connectors` over a Maven that does as the test says.
@StartsProcesses
class FetchConnectorsTest {
    private static final String MAVEN = """
            #!/usr/bin/env bash
            for argument in "$@"; do
              [[ $argument != -DoutputDirectory=* ]] || folder=${argument#*=}
              [[ $argument != */pom.xml ]] || cp "$argument" "$SEEN"
            done
            mkdir "$folder"
            touch "$folder/camel-api-4.jar" "$folder/camel-kafka-4.jar"
            echo "WARNING: sun.misc.Unsafe::objectFieldOffset will be removed in a future release" >&2
            echo "[WARNING] of Maven itself" >&2
            exit "$MAVEN_EXIT"
            """;

    @TempDir
    Path root;

    private String output = "";

    @BeforeEach
    void copyScript() throws IOException {
        for (var name : List.of("fetch-connectors", "pom.xml")) {
            Files.copy(Path.of(name), root.resolve(name), StandardCopyOption.COPY_ATTRIBUTES);
        }
        Files.createDirectories(root.resolve("target/lib"));
        Files.createFile(root.resolve("target/lib/camel-api-4.jar"));
        var maven = Files.writeString(Files.createDirectory(root.resolve("bin")).resolve("mvn"), MAVEN);
        assertTrue(maven.toFile().setExecutable(true));
    }

    private int fetch(String connectors, int mavenExit) throws Exception {
        var builder = new ProcessBuilder("./fetch-connectors", "target/connectors")
                .directory(root.toFile())
                .redirectErrorStream(true);
        var environment = builder.environment();
        environment.put("PATH", root.resolve("bin") + ":" + environment.get("PATH"));
        environment.put("SEEN", root.resolve("seen.xml").toString());
        environment.put("MAVEN_EXIT", Integer.toString(mavenExit));
        environment.put("CONNECTORS", connectors);
        var process = builder.start();
        output = new String(process.getInputStream().readAllBytes());
        return process.waitFor();
    }

    private List<String> fetched() throws IOException {
        try (Stream<Path> files = Files.list(root.resolve("target/connectors"))) {
            return files.map(file -> file.getFileName().toString()).sorted().toList();
        }
    }

    /// Of the pom that Maven saw, those that the worker's own has not.
    private List<String> addedDependencies() throws Exception {
        var document = DocumentBuilderFactory.newInstance()
                .newDocumentBuilder()
                .parse(root.resolve("seen.xml").toFile());
        var nodes = document.getElementsByTagName("dependency");
        var added = Stream.<String>builder();
        for (var i = 0; i < nodes.getLength(); i++) {
            var dependency = (Element) nodes.item(i);
            if (dependency.getParentNode().getParentNode() == document.getDocumentElement()) {
                added.add(dependency.getTextContent().strip());
            }
        }
        return added.build().filter(text -> !text.contains("\n")).toList();
    }

    @Test
    void whatIsNamedIsResolvedWithTheWorkersOwnAndWhatItHasIsLeftOut() throws Exception {
        assertEquals(0, fetch("camel-kafka, org.x:y,org.postgresql:postgresql:42.7.8", 0), output);
        assertEquals(
                List.of("org.apache.camelcamel-kafkaruntime", "org.xyruntime", "org.postgresqlpostgresql42.7.8runtime"),
                addedDependencies());
        assertEquals(List.of("camel-kafka-4.jar", "connectors.txt"), fetched());
        assertEquals(0, fetch("", 0), output);
        assertEquals(List.of("connectors.txt"), fetched());
    }

    @Test
    void aListOutOfAFileFromWindowsIsRead() throws Exception {
        assertEquals(0, fetch("\uFEFFcamel-kafka\r\norg.x:y\r\n", 0), output);
        assertEquals(List.of("org.apache.camelcamel-kafkaruntime", "org.xyruntime"), addedDependencies());
    }

    @Test
    void whatCannotBeFetchedLeavesWhatIsThere() throws Exception {
        assertEquals(0, fetch("camel-kafka", 0), output);
        assertEquals(1, fetch("camel-nothing", 1));
        assertTrue(output.contains("CONNECTORS=camel-nothing cannot be fetched"), output);
        assertEquals(List.of("camel-kafka-4.jar", "connectors.txt"), fetched());
        assertEquals(List.of("connectors"), names("connectors"));
    }

    @Test
    void theJvmsWarningsOfMavenAreLeftOut() throws Exception {
        assertEquals(0, fetch("camel-kafka", 0));
        assertEquals("[WARNING] of Maven itself\n", output);
    }

    @Test
    void aComponentThatCamelDoesNotHaveIsNamedBeforeMavenRuns() throws Exception {
        var list = Path.of("src/main/resources/dev/llmworker/routes/connectors.tsv");
        Files.createDirectories(root.resolve(list).getParent());
        Files.copy(list, root.resolve(list));
        var version =
                Files.readString(Path.of("pom.xml")).replaceFirst("(?s).*<camel.version>(.*?)</camel.version>.*", "$1");
        // After an upgrade of Camel, run src/test/python/connectors.py.
        assertTrue(Files.readString(list).startsWith("# Camel " + version + "."), version);
        var refused = "fetch-connectors: CONNECTORS has \"%s\": no such component in Camel " + version + "%s\n";
        assertEquals(1, fetch("camel-sql,camel-kafkaa", 0));
        assertEquals(refused.formatted("camel-kafkaa", "; did you mean camel-kafka?"), output);
        assertEquals(1, fetch("kafka", 0));
        assertEquals(refused.formatted("kafka", "; did you mean camel-kafka?"), output);
        assertEquals(1, fetch("camel-nothing-like-it", 0));
        assertEquals(refused.formatted("camel-nothing-like-it", ""), output);
        assertEquals(0, fetch("camel-sql,camel-rest,org.x:kafkaa,org.apache.camel:camel-new:5.0.0", 0), output);
    }

    private List<String> names(String prefix) throws IOException {
        try (Stream<Path> files = Files.list(root.resolve("target"))) {
            return files.map(file -> file.getFileName().toString())
                    .filter(name -> name.startsWith(prefix))
                    .toList();
        }
    }

    @Test
    void aNameThatIsNoneIsRefused() throws Exception {
        for (var name : List.of("a<b", "a:b:c:d", "$(id)", "a:")) {
            assertEquals(1, fetch(name, 0));
            assertTrue(output.startsWith("fetch-connectors: CONNECTORS has \"" + name + "\"; it must be"), output);
        }
    }
}
