package dev.llmworker.serving.camel;

import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.sun.management.ThreadMXBean;
import java.lang.management.ManagementFactory;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;

class PortRouterTest {
    @Test
    void aParameterStandsForOnePartOfAPath() {
        assertTrue(PortRouter.matches("/rooms/:room", true, "/rooms/7"));
        assertTrue(PortRouter.matches("/rooms/:room", true, "/rooms/7/"));
        assertTrue(PortRouter.matches("/rooms/:room", true, "/rooms/:room"));
        assertTrue(PortRouter.matches("/rooms/:room/doors", true, "/rooms/7.a/doors"));
        assertTrue(PortRouter.matches("/:a-:b", true, "/1-2-3"));
        assertTrue(PortRouter.matches("/", true, "/"));
        assertFalse(PortRouter.matches("/rooms/:room", true, "/rooms/"));
        assertFalse(PortRouter.matches("/rooms/:room", true, "/rooms/7/8"));
        assertFalse(PortRouter.matches("/rooms/:room", true, "/rooms/7//"));
        assertFalse(PortRouter.matches("/rooms", true, "/roomsX"));
        assertFalse(PortRouter.matches("/:a-:b", true, "/1-"));
    }

    @Test
    void aPathThatIsNotExactMayGoOn() {
        assertTrue(PortRouter.matches("/rooms", false, "/rooms/7/8"));
        assertTrue(PortRouter.matches("/rooms", false, "/rooms"));
        assertTrue(PortRouter.matches("/rooms/:room", false, "/rooms/7/8"));
        assertFalse(PortRouter.matches("/rooms/:room", false, "/rooms"));
    }

    /// All patterns are compared with a path that does not take a method, on the event loop.
    @Test
    void aPathThatDiffersEarlyIsNotReadToItsEnd() {
        var threads = (ThreadMXBean) ManagementFactory.getThreadMXBean();
        var path = "/models/" + "a".repeat(16_000);
        assertFalse(PortRouter.matches("/generate", true, path));
        var before = threads.getCurrentThreadAllocatedBytes();
        assertFalse(PortRouter.matches("/generate", true, path));
        assertTrue(threads.getCurrentThreadAllocatedBytes() - before < 16_000);
    }

    /// A regular expression takes the fourth power of the path's length.
    @Test
    @Timeout(180)
    void aLongPathIsMatchedInLinearTime() {
        assertFalse(PortRouter.matches("/:a-:b-:c-:d!", true, "/" + "-".repeat(8_000)));
    }
}
