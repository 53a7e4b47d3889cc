package dev.llmworker;

import static com.tngtech.archunit.base.DescribedPredicate.not;
import static com.tngtech.archunit.core.domain.JavaClass.Predicates.resideInAPackage;
import static com.tngtech.archunit.core.domain.properties.HasName.Predicates.nameMatching;
import static com.tngtech.archunit.lang.syntax.ArchRuleDefinition.noClasses;

import com.tngtech.archunit.core.domain.JavaClasses;
import com.tngtech.archunit.core.importer.ClassFileImporter;
import com.tngtech.archunit.core.importer.ImportOption;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;

/// The directions between packages, and which of them know which library. Plain tests: surefire runs no `@ArchTest`
/// field and passes all the same.
class ArchitectureTest {
    private static final String ROOT = "dev.llmworker";

    /// What each package may use of ours; the root package, which puts them together, may use all.
    private static final Map<String, List<String>> MAY_USE = Map.of(
            "serving", List.of("generation", "sampling", "text", "stats"),
            "generation", List.of("text", "model", "sampling", "stats"),
            "remote", List.of("generation", "sampling", "text", "stats"),
            "model", List.of("weights", "sampling", "stats"),
            "text", List.of("weights", "stats"),
            "hub", List.of("weights", "stats"),
            "weights", List.of("stats"),
            "sampling", List.of("stats"),
            "stats", List.of());

    private static JavaClasses classes;

    @BeforeAll
    static void read() {
        classes = new ClassFileImporter()
                .withImportOption(ImportOption.Predefined.DO_NOT_INCLUDE_TESTS)
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
        only("org.apache.camel..", ROOT + ".serving..", ROOT);
        only("io.vertx..", ROOT + ".serving..", ROOT + ".remote..", ROOT);
        only("io.netty..", ROOT + ".serving..");
    }

    @Test
    void jacksonStaysWhereJsonIsRead() {
        only(
                "com.fasterxml.jackson..",
                ROOT + ".serving..",
                ROOT,
                ROOT + ".hub..",
                ROOT + ".text..",
                ROOT + ".weights..",
                ROOT + ".remote..");
    }

    @Test
    void metersStayInStats() {
        only("io.micrometer..", ROOT + ".stats..", ROOT);
        only("io.prometheus..", ROOT + ".stats..");
    }

    /// A generator that asks others knows what a generation is, and not how this process makes one.
    @Test
    void remoteKnowsTheFrontDoorAlone() {
        var allowed =
                "Generat(ion|ionEvent(\\$.*)?|ionRequest|or)|FinishReason|OpenAi.*|Prompt(\\$.*)?|Readiness(\\$.*)?"
                        + "|RefusedException(\\$.*)?|ScoredToken";
        noClasses()
                .that()
                .resideInAPackage(ROOT + ".remote..")
                .should()
                .dependOnClassesThat(resideInAPackage(ROOT + ".generation..")
                        .and(not(nameMatching("dev\\.llmworker\\.generation\\.(" + allowed + ")"))))
                .check(classes);
    }
}
