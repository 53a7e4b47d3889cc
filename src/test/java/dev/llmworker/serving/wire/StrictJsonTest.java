package dev.llmworker.serving.wire;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.sun.management.ThreadMXBean;
import dev.llmworker.serving.memory.MemoryBudget;
import java.lang.management.ManagementFactory;
import java.math.BigInteger;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Map;
import org.junit.jupiter.api.Test;

/// What is built of a request, and what it costs.
class StrictJsonTest {
    private static final String NESTED = "[".repeat(60) + "]".repeat(60);
    private static final String LISTS = "[" + String.join(",", List.of(NESTED, NESTED, NESTED, NESTED)) + "]";

    private final MemoryBudget budget = new MemoryBudget(10_000);
    private final MemoryBudget.Lease memory = budget.lease();

    private Map<?, ?> read(String json) {
        return StrictJson.object(json, "the body", memory, "prompt"::equals);
    }

    @Test
    void allKindsOfValuesAreBuilt() {
        var list = new ArrayList<Object>(
                Arrays.asList(1, 3_000_000_000L, new BigInteger("123456789012345678901"), 0.5, true, false, "é"));
        list.add(null);
        list.add(Map.of("a", List.of()));
        assertEquals(
                Map.of("prompt", list, "n", 1),
                StrictJson.object(
                        "{\"prompt\":[1,3000000000,123456789012345678901,0.5,true,false,\"é\",null,{\"a\":[]}],\"n\":1}",
                        "it"));
    }

    @Test
    void listsAndObjectsThatNobodyReadsAreNotBuilt() {
        var read = read("{\"zzz\":" + LISTS + ",\"prompt\":[\"x\"],\"a\":{\"b\":" + NESTED
                + "},\"e\":[],\"o\":{},\"t\":\"x\"}");
        assertEquals(List.of("x"), read.get("prompt"));
        assertEquals(List.of("…"), read.get("zzz"), "it looks as if it were not empty");
        assertEquals(Map.of("…", "…"), read.get("a"));
        assertEquals(List.of(), read.get("e"));
        assertEquals(Map.of(), read.get("o"));
        assertEquals("x", read.get("t"));
        assertTrue(budget.usedBytes() < 5_000, "costs " + budget.usedBytes());
    }

    @Test
    void whatIsBuiltCostsWhatItTakes() {
        var refused = assertThrows(RequestException.class, () -> read("{\"prompt\":" + LISTS + "}"));
        assertEquals(413, refused.error().status(), refused.getMessage());
        memory.close();
        assertEquals(0, budget.usedBytes());
    }

    @Test
    void namesInWhatIsNotBuiltCostSomethingToo() {
        var names = new StringBuilder("{\"zzz\":{\"a\":1");
        for (var i = 0; i < 100; i++) {
            names.append(",\"n").append(i).append("\":1");
        }
        assertThrows(RequestException.class, () -> read(names.append("}}").toString()));
    }

    @Test
    void aNameMayBeAsLongAsTheBody() {
        var name = "k".repeat(900_000);
        assertEquals(Map.of(name, 1), StrictJson.object("{\"" + name + "\":1}", "it"));
    }

    @Test
    void aFullBudgetRefusesForNow() {
        assertTrue(budget.lease().take(9_990));
        var refused = assertThrows(RequestException.class, () -> read("{\"prompt\":\"a short text\"}"));
        assertEquals(503, refused.error().status());
        assertTrue(refused.error().retryAfterSeconds() > 0);
    }

    @Test
    void whatIsNotBuiltIsCheckedAllTheSame() {
        for (var wrong : List.of(
                "{\"zzz\":[1,]}",
                "{\"zzz\":{\"a\":1,\"a\":2}}",
                "{\"zzz\":[" + "[".repeat(64) + "]".repeat(64) + "]}",
                "{\"zzz\":[}",
                "{\"zzz\":[1]} x",
                "{\"zzz\":[NaN]}",
                "{\"zzz\":[")) {
            var refused = assertThrows(RequestException.class, () -> read(wrong), wrong);
            assertEquals("invalid_json", refused.error().code(), wrong);
        }
    }

    private static long allocatedBytes() {
        return ((ThreadMXBean) ManagementFactory.getThreadMXBean()).getCurrentThreadAllocatedBytes();
    }

    /// The arguments of calls and the texts of schemas: nobody counts what would be built of them.
    @Test
    void aTextWithinARequestIsCheckedAndNotBuilt() {
        var lists = "{\"a\":[" + "[],".repeat(300_000) + "[]]}";
        StrictJson.checkObject(lists, "it");
        var before = allocatedBytes();
        StrictJson.checkObject(lists, "it");
        var bytes = allocatedBytes() - before;
        assertTrue(bytes < 4L * lists.length(), bytes + " bytes for " + lists.length() + " characters");
        StrictJson.check("7", "it");
        for (var wrong : List.of(
                "",
                " ",
                "{",
                "{}{}",
                "{} x",
                "{}]",
                "{\"a\":1,\"a\":2}",
                "{\"a\":[NaN]}",
                "{\"a\":" + "[".repeat(64) + "]".repeat(64) + "}")) {
            var refused = assertThrows(RequestException.class, () -> StrictJson.checkObject(wrong, "it"), wrong);
            assertEquals("invalid_json", refused.error().code(), wrong);
        }
        for (var other : Map.of("[1]", "a list", "\"{\"", "a string", "-0.5", "a number", "true", "a boolean")
                .entrySet()) {
            var refused = assertThrows(RequestException.class, () -> StrictJson.checkObject(other.getKey(), "it"));
            assertEquals("it is " + other.getValue() + "; it must be a JSON object", refused.getMessage());
        }
    }
}
