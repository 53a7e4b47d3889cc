package dev.llmworker.serving.anthropic;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.sun.management.ThreadMXBean;
import dev.llmworker.serving.wire.RequestFields;
import java.lang.management.ManagementFactory;
import java.util.Collections;
import java.util.Map;
import org.junit.jupiter.api.Test;

class ConversationTest {
    private static final int MESSAGES = 1024;
    private static final int CHARACTERS = 8192;

    /// A turn that is copied with each of its messages takes gigabytes.
    @Test
    void aTurnOfManyMessagesIsJoinedOnce() {
        var message = Map.of("role", "user", "content", "a".repeat(CHARACTERS));
        var fields = new RequestFields(Map.of("messages", Collections.nCopies(MESSAGES, message)));
        var threads = (ThreadMXBean) ManagementFactory.getThreadMXBean();
        var before = threads.getCurrentThreadAllocatedBytes();
        var turns = Conversation.read(fields);
        var allocated = threads.getCurrentThreadAllocatedBytes() - before;
        assertEquals(1, turns.size());
        assertEquals(MESSAGES * (CHARACTERS + 1) - 1, turns.getFirst().content().length());
        assertTrue(allocated < 12L * MESSAGES * CHARACTERS, allocated + " bytes");
    }
}
