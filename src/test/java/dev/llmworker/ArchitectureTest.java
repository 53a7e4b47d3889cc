package dev.llmworker;

import static com.tngtech.archunit.lang.syntax.ArchRuleDefinition.noClasses;
import static com.tngtech.archunit.library.dependencies.SlicesRuleDefinition.slices;

import com.tngtech.archunit.base.DescribedPredicate;
import com.tngtech.archunit.core.domain.JavaCall;
import com.tngtech.archunit.core.domain.JavaClass;
import com.tngtech.archunit.core.domain.JavaClasses;
import com.tngtech.archunit.core.domain.properties.HasName;
import com.tngtech.archunit.core.domain.properties.HasOwner;
import com.tngtech.archunit.core.importer.ClassFileImporter;
import dev.llmworker.serving.wire.UsesRegex;
import dev.llmworker.testing.Concurrent;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;

/// The directions between packages, and which of them know which library. Plain tests: surefire runs no `@ArchTest`
/// field and passes all the same.
@Concurrent
class ArchitectureTest {
    private static final String ROOT = "dev.llmworker";

    private static final String SERVING = ROOT + ".serving";

    /// Which other packages of ours each package may use.
    private static final Map<String, List<String>> MAY_USE = Map.ofEntries(
            Map.entry("routes", List.of("assembly", "files", "serving", "settings", "stats")),
            Map.entry(
                    "command",
                    List.of(
                            "assembly",
                            "engine",
                            "generation",
                            "hub",
                            "model",
                            "routes",
                            "serving",
                            "settings",
                            "stats",
                            "text",
                            "weights")),
            Map.entry(
                    "assembly",
                    List.of(
                            "child",
                            "engine",
                            "files",
                            "generation",
                            "hub",
                            "logs",
                            "model",
                            "remote",
                            "serving",
                            "settings",
                            "stats",
                            "text",
                            "weights")),
            Map.entry("settings", List.of("files", "logs")),
            // Structured output sees a vocabulary as bytes by token id.
            Map.entry("constraint", List.of()),
            Map.entry("files", List.of()),
            // A process, and no more: it knows neither requests nor settings.
            Map.entry("child", List.of()),
            Map.entry("serving", List.of("files", "generation", "logs", "sampling", "text", "stats")),
            Map.entry("remote", List.of("constraint", "files", "generation", "sampling", "text", "stats")),
            Map.entry("engine", List.of("constraint", "generation", "model", "sampling", "text", "stats")),
            Map.entry("generation", List.of("sampling", "text", "stats")),
            Map.entry("model", List.of("weights", "sampling", "stats")),
            Map.entry("text", List.of("constraint", "weights", "stats")),
            Map.entry("hub", List.of("weights", "stats")),
            Map.entry("weights", List.of("stats")),
            Map.entry("sampling", List.of("stats")),
            Map.entry("stats", List.of("logs")),
            Map.entry("logs", List.of()));

    /// Which other rooms of `serving` each of its rooms may use.
    private static final Map<String, List<String>> SERVING_MAY_USE = Map.ofEntries(
            Map.entry(
                    "beans",
                    List.of(
                            "anthropic",
                            "openai",
                            "responses",
                            "llm",
                            "mcp",
                            "tools",
                            "request",
                            "delivery",
                            "camel",
                            "port",
                            "connection",
                            "access",
                            "wire",
                            "memory")),
            Map.entry("anthropic", List.of("request", "delivery", "connection", "wire")),
            Map.entry("responses", List.of("request", "delivery", "connection", "wire", "memory")),
            Map.entry("openai", List.of("tools", "request", "delivery", "connection", "wire")),
            Map.entry("llm", List.of("tools", "request", "delivery", "connection", "wire")),
            Map.entry("mcp", List.of("tools", "delivery", "connection", "wire")),
            Map.entry("tools", List.of("request", "delivery", "connection", "wire")),
            Map.entry("request", List.of("wire")),
            Map.entry("delivery", List.of("connection", "access", "wire", "memory")),
            Map.entry("camel", List.of("port", "connection", "access", "wire", "memory")),
            Map.entry("port", List.of("connection", "access", "wire", "memory")),
            Map.entry("connection", List.of("access", "wire", "memory")),
            Map.entry("access", List.of("wire")),
            Map.entry("wire", List.of("memory")),
            Map.entry("memory", List.of()));

    /// The package itself, beside its rooms.
    private static final String ITSELF = "";

    /// The description of a model does not know the programs that run it.
    private static final Map<String, List<String>> MODEL_MAY_USE = Map.ofEntries(
            Map.entry("check", List.of("decoder", "device", ITSELF)),
            Map.entry("decoder", List.of("loading", "architecture", "device", ITSELF)),
            Map.entry("loading", List.of("device", ITSELF)),
            Map.entry("architecture", List.of("device", ITSELF)),
            Map.entry(ITSELF, List.of("device")),
            Map.entry("device", List.of()));

    private static final Map<String, List<String>> TEXT_MAY_USE = Map.ofEntries(
            Map.entry("chat", List.of("answer", "tools", "jinja", "hub", ITSELF)),
            Map.entry("answer", List.of("tools", ITSELF)),
            Map.entry("tools", List.of()),
            Map.entry("jinja", List.of()),
            Map.entry("gguf", List.of(ITSELF)),
            Map.entry("hub", List.of(ITSELF)),
            Map.entry(ITSELF, List.of()));

    private static final Map<String, List<String>> ENGINE_MAY_USE = Map.ofEntries(
            Map.entry(ITSELF, List.of("vectors", "queue", "stored")),
            Map.entry("vectors", List.of("queue")),
            Map.entry("queue", List.of()),
            Map.entry("stored", List.of()));

    /// What a file has does not know the formats.
    private static final Map<String, List<String>> WEIGHTS_MAY_USE =
            Map.of(ITSELF, List.of("content"), "content", List.of());

    private static final Map<String, Map<String, List<String>>> ROOMS = Map.of(
            SERVING,
            SERVING_MAY_USE,
            ROOT + ".engine",
            ENGINE_MAY_USE,
            ROOT + ".model",
            MODEL_MAY_USE,
            ROOT + ".text",
            TEXT_MAY_USE,
            ROOT + ".weights",
            WEIGHTS_MAY_USE);

    private static JavaClasses classes;

    @BeforeAll
    static void read() {
        classes = new ClassFileImporter()
                // Those of Maven and those of src/test/quick.sh.
                .withImportOption(location -> !location.contains("/test-classes/"))
                .importPackages(ROOT);
    }

    private static void only(String library, String... packages) {
        noClasses()
                .that()
                .resideOutsideOfPackages(packages)
                .should()
                .dependOnClassesThat()
                .resideInAPackage(library)
                .check(classes);
    }

    @Test
    void packagesUseEachOtherInOneDirection() {
        MAY_USE.forEach((name, used) -> {
            var forbidden = new ArrayList<String>();
            for (var other : MAY_USE.keySet()) {
                if (!other.equals(name) && !used.contains(other)) {
                    forbidden.add(ROOT + "." + other + "..");
                }
            }
            // Nothing points back to the composition root.
            forbidden.add(ROOT);
            noClasses()
                    .that()
                    .resideInAPackage(ROOT + "." + name + "..")
                    .should()
                    .dependOnClassesThat()
                    .resideInAnyPackage(forbidden.toArray(String[]::new))
                    .allowEmptyShould(true)
                    .check(classes);
        });
    }

    @Test
    void theRoomsOfAPackageUseEachOtherInOneDirection() {
        ROOMS.forEach((parent, mayUse) -> {
            for (var type : classes) {
                var name = type.getPackageName();
                if (name.startsWith(parent + ".") && !mayUse.containsKey(name.substring(parent.length() + 1))) {
                    throw new AssertionError(name + " has no line among the rooms of " + parent);
                }
            }
            mayUse.forEach((room, used) -> mayUse.keySet().stream()
                    .filter(other -> !other.equals(room) && !used.contains(other))
                    .forEach(other -> noClasses()
                            .that()
                            .resideInAPackage(room(parent, room))
                            .should()
                            .dependOnClassesThat()
                            .resideInAPackage(room(parent, other))
                            .check(classes)));
        });
    }

    private static String room(String parent, String room) {
        return room.equals(ITSELF) ? parent : parent + "." + room;
    }

    @Test
    void noPackagesDependOnEachOtherInACircle() {
        slices().matching(ROOT + ".(**)").should().beFreeOfCycles().check(classes);
    }

    @Test
    void everyPackageHasItsDirections() {
        for (var type : classes) {
            var name = type.getPackageName();
            if (!name.equals(ROOT)) {
                var first = name.substring(ROOT.length() + 1).split("\\.")[0];
                if (!MAY_USE.containsKey(first)) {
                    throw new AssertionError(name + " has no line in MAY_USE");
                }
            }
        }
    }

    @Test
    void djlStaysWhereTensorsAndTokensAre() {
        only("ai.djl.huggingface..", ROOT + ".text..");
        noClasses()
                .that()
                .resideOutsideOfPackages(ROOT + ".model..", ROOT + ".text..")
                .should()
                .dependOnClassesThat()
                .resideInAPackage("ai.djl..")
                .check(classes);
        noClasses()
                .that()
                .resideInAPackage(ROOT + ".text..")
                .should()
                .dependOnClassesThat()
                .resideInAnyPackage("ai.djl.ndarray..", "ai.djl.pytorch..", "ai.djl.engine..", "ai.djl.nn..")
                .check(classes);
    }

    @Test
    void camelAndVertxStayInServing() {
        only("org.apache.camel..", SERVING + "..", ROOT, ROOT + ".assembly", ROOT + ".routes", ROOT + ".command");
        only("io.vertx..", SERVING + "..", ROOT + ".remote..", ROOT, ROOT + ".assembly", ROOT + ".command");
        only("io.netty..", ROOT + ".serving..");
    }

    /// A regular expression may take the square of a header's length, on the event loop.
    @Test
    void noClientsTextMeetsARegularExpressionInServing() {
        var splitting = JavaCall.Predicates.target(
                        HasOwner.Predicates.With.<JavaClass>owner(JavaClass.Predicates.type(String.class)))
                .and(JavaCall.Predicates.target(
                        HasName.Predicates.nameMatching("split|splitWithDelimiters|matches|replaceAll|replaceFirst")));
        noClasses()
                .that()
                .resideInAPackage(SERVING + "..")
                .and(DescribedPredicate.describe(
                        "have no @UsesRegex", type -> !outermost(type).isAnnotatedWith(UsesRegex.class)))
                .should()
                .callMethodWhere(splitting)
                .orShould()
                .dependOnClassesThat()
                .resideInAPackage("java.util.regex")
                .check(classes);
    }

    private static JavaClass outermost(JavaClass type) {
        return type.getEnclosingClass().map(ArchitectureTest::outermost).orElse(type);
    }

    @Test
    void jacksonStaysWhereJsonIsRead() {
        only(
                "com.fasterxml.jackson..",
                ROOT + ".serving..",
                ROOT + ".constraint..",
                ROOT + ".hub..",
                ROOT + ".text..",
                ROOT + ".weights..",
                ROOT + ".remote..");
    }

    @Test
    void metersStayInStats() {
        only("io.micrometer..", ROOT + ".stats..", ROOT + ".assembly");
        only("io.prometheus..", ROOT + ".stats..");
    }
}
