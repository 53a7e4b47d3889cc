package dev.llmworker.scaling;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import dev.llmworker.testing.StartsProcesses;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.concurrent.Callable;
import java.util.concurrent.Future;
import java.util.concurrent.FutureTask;
import java.util.concurrent.Semaphore;
import java.util.function.Consumer;
import org.junit.jupiter.api.Test;

/// `ScalingTest.java` before a balancer that misbehaves in each of the ways it asks about, and before one that does
/// not.
@StartsProcesses
class ScalingVerdictsTest {
    private static final int IDLE_MILLIS = 2500;
    private static final int STALL_MILLIS = 500;
    private static final int MOST_SLOWNESS = 16;
    /// Starting workers takes the processor; all else mostly waits.
    private static final Semaphore STARTING = new Semaphore(2);

    // All run at once, because they mostly wait. A test waits for its own.
    private static final Future<Report> STEADY = run("steady", rules -> {
        rules.workers = 2;
        rules.firstAnswers = List.of(
                "204 No Content", "502 Bad Gateway", "503 Service Unavailable", "400 Bad Request", "524 Timeout");
    });
    private static final Future<Report> COUNTS = run("counts", rules -> rules.idleTimeoutMillis = IDLE_MILLIS);
    private static final Future<Report> COUNTS_AND_HOLDS = run("counts-and-holds", rules -> {
        rules.idleTimeoutMillis = IDLE_MILLIS;
        rules.holdsRequests = true;
        rules.startMillis = 2500;
        rules.workerIds = false;
    });
    private static final Future<Report> DOES_NOT_COUNT = run("does-not-count", rules -> {
        rules.idleTimeoutMillis = IDLE_MILLIS;
        rules.countsSockets = false;
    });
    private static final Future<Report> GROWS = run("grows", rules -> rules.requestsPerWorker = 4, "--duration=6");
    private static final Future<Report> FULL = run("full", rules -> rules.inFlightLimit = 8, "--timeout=3");
    private static final Future<Report> CUTS_IDLE = run("cuts-idle", rules -> rules.idleCutMillis = IDLE_MILLIS);
    private static final Future<Report> FORGETS_IDLE = run(
            "forgets-idle",
            rules -> {
                rules.idleCutMillis = IDLE_MILLIS;
                rules.cut = BalancerRules.Cut.FORGET;
            },
            "--timeout=3");
    private static final Future<Report> CUTS_AT_AN_AGE = run("cuts-at-an-age", rules -> {
        rules.lifeCutMillis = 2000;
        rules.cut = BalancerRules.Cut.RESET;
    });
    private static final Future<Report> CLOSES_AT_AN_AGE = run("closes-at-an-age", rules -> {
        rules.lifeCutMillis = 2000;
        rules.cut = BalancerRules.Cut.EMPTY_CLOSE;
    });
    private static final Future<Report> SERIALISES = run("serialises", rules -> {
        rules.upgradeMillis = 250;
        rules.upgradesSerialise = true;
    });
    private static final Future<Report> SLOW_UPGRADES = run("slow-upgrades", rules -> rules.upgradeMillis = 600);
    private static final Future<Report> NO_AFFINITY = run("no-affinity", rules -> {
        rules.workers = 2;
        rules.affinity = false;
    });
    private static final Future<Report> NO_UPGRADES = run("no-upgrades", rules -> rules.refusesUpgrades = true);

    private record Report(int exit, JsonNode json) {
        void says(String question, String answer) {
            var verdict = json.at("/verdicts/" + question);
            assertEquals(answer, verdict.at("/answer").asText(), verdict.toPrettyString());
        }

        /// @param states of the three tests, in their order
        void tests(String... states) {
            var found = new ArrayList<String>();
            json.at("/tests").forEach(test -> found.add(test.at("/answer").asText()));
            assertEquals(List.of(states), found, json.at("/tests").toPrettyString());
            assertEquals(List.of(states).contains("failed") ? 1 : 0, exit);
        }

        void reads(String text) {
            assertTrue(json.at("/reading").toString().contains(text), json.at("/reading")::toPrettyString);
        }
    }

    /// A machine that stalls measures itself. Such a run is repeated, with longer times.
    private static Future<Report> run(String name, Consumer<BalancerRules> change, String... more) {
        Callable<Report> run = () -> {
            for (var slowness = 1; slowness <= MOST_SLOWNESS; slowness *= 2) {
                var report = run(name, change, slowness, more);
                if (report.isPresent()) {
                    return report.get();
                }
            }
            throw new AssertionError("this machine stalls for seconds, again and again");
        };
        var task = new FutureTask<>(run);
        Thread.ofPlatform().daemon().name(name).start(task);
        return task;
    }

    /// @return nothing if the machine has stalled
    private static Optional<Report> run(String name, Consumer<BalancerRules> change, int slowness, String... more)
            throws Exception {
        Consumer<BalancerRules> slowed = rules -> {
            change.accept(rules);
            rules.slowness = slowness;
        };
        try (var balancer = started(slowed)) {
            var folder = Files.createDirectories(Path.of("target", "scaling-reports"));
            var json = folder.resolve(name + ".json");
            // A run that fails must not be judged by an earlier report.
            Files.deleteIfExists(json);
            var words = new ArrayList<>(List.of(
                    "--url=" + balancer.url(),
                    "--token=secret",
                    "--connections=8",
                    "--health-polls=4",
                    "--health-interval=0.2",
                    "--retry-pause=0.1",
                    "--json=" + json,
                    "--html=" + folder.resolve(name + ".html")));
            var times = new LinkedHashMap<>(Map.of("--duration", 4.5));
            for (var word : more) {
                var parts = word.split("=");
                times.put(parts[0], Double.valueOf(parts[1]));
            }
            times.forEach((option, seconds) -> words.add(option + "=" + seconds * slowness));
            var exit = ScalingPrograms.run("ScalingTest", words);
            if (balancer.longestStallMillis() > STALL_MILLIS * slowness) {
                return Optional.empty();
            }
            return Optional.of(new Report(exit, new ObjectMapper().readTree(json.toFile())));
        }
    }

    private static FakeBalancer started(Consumer<BalancerRules> rules) throws Exception {
        STARTING.acquire();
        try {
            return new FakeBalancer(rules);
        } finally {
            STARTING.release();
        }
    }

    @Test
    void aBalancerAsOneWouldWishIt() throws Exception {
        var report = STEADY.get();
        report.tests("passed", "passed", "passed");
        report.says("idle_socket_in_flight", "cannot tell");
        report.says("socket_cut", "no");
        report.says("upgrades_serialise", "no");
        report.says("affinity", "yes");
        report.says("proxy_closes_idle", "no");
        report.reads("All tests pass");
        var warmUp = new ArrayList<String>();
        report.json()
                .at("/measured/warm_up")
                .forEach(answer -> warmUp.add(answer.at("/outcome").asText()));
        assertEquals(List.of("204", "502", "503", "400", "524", "200"), warmUp, "it waits for a worker");
    }

    @Test
    void idleSocketsThatKeepAWorkerCount() throws Exception {
        var report = COUNTS.get();
        report.tests("passed", "passed", "passed");
        report.says("idle_socket_in_flight", "yes");
        report.says("affinity", "cannot tell");
    }

    @Test
    void idleSocketsThatKeepAWorkerCountAlsoWhereItHasNoIdAndRequestsAreHeld() throws Exception {
        var report = COUNTS_AND_HOLDS.get();
        report.says("idle_socket_in_flight", "yes");
        report.says("affinity", "cannot tell");
    }

    @Test
    void idleSocketsWhoseWorkerIsStoppedDoNotCount() throws Exception {
        var report = DOES_NOT_COUNT.get();
        report.tests("passed", "failed", "passed");
        report.says("idle_socket_in_flight", "no");
        report.says("proxy_closes_idle", "no");
        report.says("socket_cut", "no");
        report.reads("min workers 1");
    }

    @Test
    void idleSocketsThatBringMoreWorkersCount() throws Exception {
        var report = GROWS.get();
        report.says("idle_socket_in_flight", "yes");
    }

    @Test
    void idleSocketsThatFillTheLimitOfRequestsCount() throws Exception {
        var report = FULL.get();
        report.says("idle_socket_in_flight", "yes");
    }

    @Test
    void socketsThatAreCutForIdlenessAreToldFromOthers() throws Exception {
        var report = CUTS_IDLE.get();
        report.tests("passed", "failed", "failed");
        report.says("proxy_closes_idle", "yes");
        report.says("socket_cut", "yes");
        report.says("idle_socket_in_flight", "cannot tell");
        report.reads("The proxy closes idle WebSockets");
        assertEquals(0, report.json().at("/sockets/used/cut").asInt());
    }

    @Test
    void socketsThatAreForgottenWithoutAWordAreFound() throws Exception {
        var report = FORGETS_IDLE.get();
        report.tests("passed", "failed", "failed");
        report.says("proxy_closes_idle", "yes");
        report.says("socket_cut", "yes");
    }

    @Test
    void socketsThatAreCutAtAnAgeAreNotCutForIdleness() throws Exception {
        var report = CUTS_AT_AN_AGE.get();
        report.tests("passed", "failed", "failed");
        report.says("socket_cut", "yes");
        report.says("proxy_closes_idle", "no");
        var how = report.json().at("/sockets/used/how").asText();
        assertTrue(how.contains("reset"), how);
    }

    @Test
    void aCloseFrameWithoutACodeIsToldFromOneWith1000() throws Exception {
        var report = CLOSES_AT_AN_AGE.get();
        report.says("socket_cut", "yes");
        assertTrue(
                report.json().at("/sockets/idle/how").asText().contains("closed with 1005"),
                () -> report.json().at("/sockets").toPrettyString());
    }

    @Test
    void upgradesThatWaitForEachOtherAreToldFromSlowOnes() throws Exception {
        SERIALISES.get().says("upgrades_serialise", "yes");
        SLOW_UPGRADES.get().says("upgrades_serialise", "no");
    }

    @Test
    void affinityIsAskedOfRequestsAndUpgrades() throws Exception {
        var report = NO_AFFINITY.get();
        report.says("affinity", "no");
        var figures = report.json().at("/measured/affinity");
        assertTrue(figures.at("/requests/lost").asInt() > 0, figures::toPrettyString);
        assertTrue(figures.at("/upgrades/lost").asInt() > 0, figures::toPrettyString);
        assertEquals(
                6, STEADY.get().json().at("/measured/affinity/upgrades/kept").asInt());
    }

    @Test
    void withoutAWebSocketNothingIsSaidOfThem() throws Exception {
        var report = NO_UPGRADES.get();
        report.tests("passed", "failed", "failed");
        for (var question : List.of("idle_socket_in_flight", "socket_cut", "upgrades_serialise", "proxy_closes_idle")) {
            report.says(question, "cannot tell");
        }
        report.reads("Load Balancer");
        assertTrue(report.json().at("/tests/1/because").asText().contains("403"));
    }

    @Test
    void theTokenIsNowhereInTheReports() throws Exception {
        STEADY.get();
        for (var ending : List.of(".json", ".html")) {
            var text = Files.readString(Path.of("target", "scaling-reports", "steady" + ending));
            assertTrue(!text.contains("secret"), ending);
            // Self-contained: no address of anything but the target.
            assertTrue(!text.contains("https://") && !text.contains("<script") && !text.contains("url("), ending);
        }
    }
}
