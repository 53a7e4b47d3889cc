package dev.llmworker.routes;

import dev.llmworker.settings.NearNames;
import java.io.BufferedReader;
import java.io.IOException;
import java.io.InputStreamReader;
import java.io.UncheckedIOException;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.Set;
import java.util.regex.Pattern;

/// Says which `CONNECTORS=` fetches what a route lacks. Camel's message names the component, the language, the data
/// format, the artifact or the class; `connectors.tsv` has the artifact of each.
final class Connectors {
    private static final String LIST = "connectors.tsv";
    private static final String FETCHES = "; CONNECTORS=%s fetches it";

    /// What Camel's messages say of something that is not on the class path. The group is its name.
    private static final List<Missing> MISSING = List.of(
            new Missing(
                    "component", "No endpoint could be found for: ([a-z0-9+.-]+):\\S*, please check your classpath.*"),
            new Missing("component", "No component (?:could be )?found with (?:scheme|name): ([a-z0-9+.-]+).*"),
            new Missing("language", "No language could be found for: ([A-Za-z0-9-]+).*"),
            new Missing("dataformat", "Data ?format '?([A-Za-z0-9-]+)'? could not be (?:created|found).*"),
            new Missing("artifact", ".*?\\b(camel-[a-z0-9-]+)\\b.*"));

    /// Classes that a route's beans often have.
    private static final Map<String, String> CLASSES = Map.of(
            "dev.langchain4j.", "camel-langchain4j-chat",
            "org.apache.activemq.", "camel-activemq6",
            "org.apache.kafka.", "camel-kafka",
            "org.postgresql.", "org.postgresql:postgresql:VERSION",
            "org.h2.", "com.h2database:h2:VERSION",
            "com.mysql.", "com.mysql:mysql-connector-j:VERSION");

    private static final Connectors ALL = read();

    private final Set<String> artifacts = new HashSet<>();
    /// `component:sftp` to `camel-ftp`.
    private final Map<String, String> owners = new HashMap<>();

    private record Missing(String kind, Pattern message) {
        Missing(String kind, String message) {
            this(kind, Pattern.compile(message, Pattern.DOTALL));
        }
    }

    private Connectors() {}

    private static Connectors read() {
        var connectors = new Connectors();
        var stream = Objects.requireNonNull(Connectors.class.getResourceAsStream(LIST), LIST);
        try (var lines = new BufferedReader(new InputStreamReader(stream, StandardCharsets.UTF_8))) {
            lines.lines().filter(line -> !line.startsWith("#")).forEach(connectors::add);
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
        return connectors;
    }

    private void add(String line) {
        var parts = line.split("\t");
        artifacts.add(parts[0]);
        for (var i = 1; i < parts.length; i++) {
            owners.put(parts[i], parts[0]);
        }
    }

    /// The message with the setting that fetches what it says is missing; the same message if nothing is.
    static String explain(String message) {
        for (var missing : MISSING) {
            var found = missing.message.matcher(message);
            if (found.matches()) {
                var name = found.group(1);
                var artifact = missing.kind.equals("artifact") && ALL.artifacts.contains(name)
                        ? name
                        : ALL.owners.get(missing.kind + ":" + name);
                if (artifact != null) {
                    return shortened(message) + FETCHES.formatted(artifact);
                }
                if (missing.kind.equals("component")) {
                    return shortened(message) + "; " + unknown(name);
                }
            }
        }
        return message;
    }

    private static String unknown(String component) {
        var near = new ArrayList<String>();
        ALL.owners.forEach((name, artifact) -> {
            var known = name.substring(name.indexOf(':') + 1);
            if (name.startsWith("component:") && NearNames.areNear(component, known)) {
                near.add(known + " (CONNECTORS=" + artifact + ")");
            }
        });
        near.sort(null);
        return near.isEmpty()
                ? "Camel has no component of that name"
                : "Camel has no component of that name; did you mean " + near.getFirst() + "?";
    }

    /// Without Camel's own advice, which is about class paths.
    private static String shortened(String message) {
        return message.replaceFirst("(?s),? please check your classpath.*", "")
                .strip()
                .replaceFirst("\\.$", "");
    }

    /// What to do if the worker does not have a class.
    static String explainClass(String name) {
        var artifact = CLASSES.entrySet().stream()
                .filter(entry -> name.startsWith(entry.getKey()))
                .map(Map.Entry::getValue)
                .findFirst()
                .orElse("GROUP:ARTIFACT:VERSION");
        return "the class " + name + " is not on the class path; CONNECTORS=" + artifact
                + " fetches it, or put its jar into the folder connectors/";
    }
}
