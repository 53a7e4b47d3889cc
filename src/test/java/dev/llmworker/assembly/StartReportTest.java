package dev.llmworker.assembly;

import static org.junit.jupiter.api.Assertions.assertEquals;

import ch.qos.logback.classic.Logger;
import ch.qos.logback.classic.spi.ILoggingEvent;
import ch.qos.logback.core.read.ListAppender;
import java.util.ArrayList;
import java.util.List;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.slf4j.LoggerFactory;

/// What is said last, in whichever order the model and the routes come.
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
    void withoutATerminalAFailedModelIsSaidLastAndTheProcessStays() {
        for (var routesFirst : List.of(true, false)) {
            lines.list.clear();
            var report = new StartReport(false, () -> events.add("exit"));
            if (routesFirst) {
                report.routesAreUp(URL);
            }
            report.modelFailed("no such file");
            if (!routesFirst) {
                assertEquals(List.of(), said());
                report.routesAreUp(URL);
            }
            assertEquals(List.of("nothing can be served, and /ping answers 503: no such file"), said());
            assertEquals(List.of(), events);
        }
    }

    @Test
    void atATerminalAFailedModelEndsTheProcess() {
        var report = new StartReport(true, () -> events.add("exit"));
        report.modelFailed("no such file");
        assertEquals(List.of(), events);
        report.routesAreUp(URL);
        assertEquals(List.of("nothing can be served: no such file"), said());
        assertEquals(List.of("exit"), events);
    }
}
