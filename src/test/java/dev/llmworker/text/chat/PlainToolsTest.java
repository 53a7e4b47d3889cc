package dev.llmworker.text.chat;

import static org.junit.jupiter.api.Assertions.assertEquals;

import java.util.ArrayList;
import java.util.Collections;
import java.util.List;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;

class PlainToolsTest {
    /// Results that follow each other are put together in one go.
    @Test
    @Timeout(value = 20, threadMode = Timeout.ThreadMode.SEPARATE_THREAD)
    void manyResultsOfToolsBecomeOneMessage() {
        var results = Collections.nCopies(40_000, new ChatMessage("tool", "r"));
        var messages = new ArrayList<>(results);
        messages.add(ChatMessage.user("u"));
        messages.add(new ChatMessage("tool", "r"));
        var all = PlainTools.withResultsOfUser(messages);
        var one = "<tool_response>\nr\n</tool_response>";
        assertEquals(
                List.of((one + "\n").repeat(results.size()).strip(), "u", one),
                all.stream().map(ChatMessage::content).toList());
    }
}
