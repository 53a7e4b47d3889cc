package dev.llmworker.assembly;

import static org.junit.jupiter.api.Assertions.assertEquals;

import ch.qos.logback.classic.Logger;
import ch.qos.logback.classic.spi.ILoggingEvent;
import ch.qos.logback.core.read.ListAppender;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.SynchronousQueue;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.parallel.Isolated;
import org.slf4j.LoggerFactory;

/// What is said last, in whichever order the model and the routes come.
@Isolated("it expects exact lines of a log that others write too")
class StartReportTest {
    private static final String URL = "http://127.0.0.1:8080";

    private final Logger log = (Logger) LoggerFactory.getLogger("dev.llmworker.Worker");
    private final ListAppender<ILoggingEvent> lines = new ListAppender<>();
    private final List<String> events = new ArrayList<>();

    @BeforeEach
    void listen() {
        lines.start();
        log.addAppender(lines);
    }

    @AfterEach
    void leave() {
        log.detachAppender(lines);
    }

    private List<String> said() {
        return lines.list.stream().map(ILoggingEvent::getFormattedMessage).toList();
    }

    @Test
    void aModelThatIsFirstIsReadyOnceTheRoutesAreUp() {
        var report = new StartReport();
        report.modelLoaded(url -> events.add("ready at " + url));
        assertEquals(List.of(), events);
        report.routesAreUp(URL);
        assertEquals(List.of("ready at " + URL), events);
        report.routesAreUp(URL);
        assertEquals(List.of("ready at " + URL), events);
    }

    @Test
    void routesThatAreFirstWaitForTheModel() {
        var report = new StartReport();
        report.routesAreUp(URL);
        assertEquals(List.of(), events);
        report.modelLoaded(url -> events.add("ready at " + url));
        assertEquals(List.of("ready at " + URL), events);
    }

    @Test
    void withoutATerminalAFailedModelIsSaidLastAndTheProcessEndsLater() throws Exception {
        for (var routesFirst : List.of(true, false)) {
            lines.list.clear();
            var exits = new SynchronousQueue<String>();
            var time = new SynchronousQueue<Duration>();
            var report = new StartReport(
                    false, () -> events.add("exit"), new FailureExit(Duration.ofSeconds(60), time::put, why -> {
                        events.add(why);
                        hand(exits, why);
                    }));
            if (routesFirst) {
                report.routesAreUp(URL);
            }
            report.modelFailed("no such file");
            if (!routesFirst) {
                assertEquals(List.of(), said());
                report.routesAreUp(URL);
            }
            assertEquals(
                    List.of("nothing can be served, /ping answers 503 and the worker exits in 60 s: no such file"),
                    said());
            assertEquals(List.of(), events);
            assertEquals(Duration.ofSeconds(60), time.take());
            assertEquals("no such file", exits.take());
            events.clear();
        }
    }

    @Test
    void anEngineThatFailsLaterEndsTheProcessOnceEvenAtATerminal() throws Exception {
        for (var atTerminal : List.of(true, false)) {
            lines.list.clear();
            var time = new SynchronousQueue<Duration>();
            var exits = new SynchronousQueue<String>();
            var report = new StartReport(
                    atTerminal,
                    () -> events.add("exit"),
                    new FailureExit(Duration.ofSeconds(5), time::put, why -> hand(exits, why)));
            report.modelLoaded(_ -> {});
            report.routesAreUp("http://127.0.0.1:8080");
            report.engineFailed("it broke");
            report.engineFailed("it broke again");
            assertEquals(
                    List.of("nothing can be served any more, /ping answers 503 and the worker exits in 5 s: it broke"),
                    said());
            assertEquals(Duration.ofSeconds(5), time.take());
            assertEquals("it broke", exits.take());
            assertEquals(List.of(), events);
        }
    }

    @Test
    void zeroMeansNever() {
        var report = new StartReport(
                false,
                () -> events.add("exit"),
                new FailureExit(Duration.ZERO, _ -> events.add("waits"), why -> events.add(why)));
        report.routesAreUp("http://127.0.0.1:8080");
        report.engineFailed("it broke");
        assertEquals(List.of("nothing can be served any more, /ping answers 503: it broke"), said());
        assertEquals(List.of(), events);
    }

    private static void hand(SynchronousQueue<String> queue, String why) {
        try {
            queue.put(why);
        } catch (InterruptedException e) {
            throw new IllegalStateException(e);
        }
    }

    @Test
    void atATerminalAFailedModelEndsTheProcess() {
        var report = new StartReport(true, () -> events.add("exit"), FailureExit.none());
        report.modelFailed("no such file");
        assertEquals(List.of(), events);
        report.routesAreUp(URL);
        assertEquals(List.of("nothing can be served: no such file"), said());
        assertEquals(List.of("exit"), events);
    }
}
