package dev.llmworker.text;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;

import java.util.Map;
import org.junit.jupiter.api.Test;

class NameGuardTest {
    private final NameGuard guard = new NameGuard(new TokenNames(Map.of("<a>", 1, "a>", 2, "😀x", 3)));

    @Test
    void namesAreBrokenAfterTheirFirstCharacter() {
        assertEquals("x<\uFDD0a\uFDD0>y", guard.plain("x<a>y"));
        assertEquals("😀\uFDD0x", guard.plain("😀x"));
        assertEquals("no name <a", guard.plain("no name <a"));
    }

    @Test
    void onlyMarkedNamesAreBroken() {
        assertEquals("<a><\uFDD0a>", guard.marked("<a>\uFDE0<a>", '\uFDE0'));
        assertEquals("<a>< a>", guard.marked("<a>\uFDE0< a>", '\uFDE0'));
    }

    @Test
    void aTextComesBackWithItsOwnNoncharacters() {
        for (var text : new String[] {"x<a>y", "\uFDD0", "\uFDD1", "\uFDD1\uFDD2\uFDD3<a>\uFDD0\uFDD1", "\uFDD2", ""}) {
            assertEquals(text, NameGuard.unguarded(guard.plain(text)));
            assertEquals(text, NameGuard.unguarded(NameGuard.escaped(text)));
            assertFalse(NameGuard.escaped(text).indexOf(NameGuard.BREAK) >= 0);
        }
    }
}
