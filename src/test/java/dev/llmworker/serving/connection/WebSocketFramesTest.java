package dev.llmworker.serving.connection;

import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.ByteArrayOutputStream;
import java.util.Arrays;
import java.util.Random;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/// Frames and fragments, data and control.
class WebSocketFramesTest extends FrameCase {
    @ParameterizedTest
    @ValueSource(ints = {0, 1, 125, 126, 127, 128, 65_535, 65_536, 1 << 20})
    void messagesOfEveryLengthComeBack(int length) throws Exception {
        var payload = new byte[length];
        new Random(length).nextBytes(payload);
        var text = utf8("*".repeat(length));
        try (var client = open()) {
            assertEcho(client.frame(BINARY, payload), BINARY, payload);
            assertEcho(client.frame(TEXT, text), TEXT, text);
        }
    }

    @Test
    void framesMayComeByteByByteAndManyAtOnce() throws Exception {
        var frame = hex("8185000000006162636465");
        try (var client = open()) {
            for (var octet : frame) {
                client.send(new byte[] {octet});
            }
            assertEcho(client, TEXT, utf8("abcde"));
            var many = new ByteArrayOutputStream();
            for (var i = 0; i < 1000; i++) {
                many.writeBytes(hex("818400000000"));
                many.writeBytes(utf8("%04d".formatted(i)));
            }
            client.send(many.toByteArray());
            for (var i = 0; i < 1000; i++) {
                assertEcho(client, TEXT, utf8("%04d".formatted(i)));
            }
        }
    }

    @Test
    void theMaskIsTakenOff() throws Exception {
        // RFC 6455, 5.7.
        try (var client = open().send(hex("818537fa213d7f9f4d5158"))) {
            assertEcho(client, TEXT, utf8("Hello"));
        }
    }

    @Test
    void pingsAreAnsweredWithTheirPayloadAndPongsAreTaken() throws Exception {
        try (var client = open()) {
            for (var payload : new byte[][] {NOTHING, utf8("Hello"), hex("00ff00fe"), new byte[125]}) {
                assertEcho(client.frame(PING, payload), PONG, payload);
            }
            client.frame(PONG, NOTHING).frame(PONG, utf8("nobody asked"));
            assertEcho(client.frame(PING, utf8("still there")), PONG, utf8("still there"));
        }
    }

    @Test
    void pongsThatNobodyReadsDoNotHeapUp() throws Exception {
        var pings = new ByteArrayOutputStream();
        for (var i = 0; i < 1000; i++) {
            pings.writeBytes(hex("89fd00000000"));
            pings.writeBytes(new byte[125]);
        }
        var rounds = 400;
        try (var client = open()) {
            for (var i = 0; i < rounds; i++) {
                client.send(pings.toByteArray());
            }
            client.frame(CLOSE, NOTHING);
            // What the kernel's buffers held when the client began to read is far less than all.
            var pongs = client.rest().length() / 127;
            assertTrue(pongs > 0 && pongs < rounds * 1000 / 2, pongs + " pongs");
        }
    }

    @Test
    void controlFramesHaveAtMost125BytesAndOneFrame() throws Exception {
        for (var opcode : new int[] {PING, PONG, CLOSE}) {
            assertRefused(1002, opcode, new byte[126]);
            assertRefused(1002, opcode & 0x0f, closing(1000, ""));
        }
    }

    @Test
    void reservedBitsAreRefused() throws Exception {
        for (var bits = 1; bits < 8; bits++) {
            for (var opcode : new int[] {TEXT, BINARY, PING, PONG, CLOSE}) {
                assertRefused(1002, opcode | bits << 4, closing(1000, ""));
            }
        }
    }

    @ParameterizedTest
    @ValueSource(ints = {3, 4, 5, 6, 7, 11, 12, 13, 14, 15})
    void reservedOpcodesAreRefused(int opcode) throws Exception {
        assertRefused(1002, 0x80 | opcode, NOTHING);
        assertRefused(1002, 0x80 | opcode, utf8("payload"));
    }

    @Test
    void anUnmaskedFrameIsRefused() throws Exception {
        try (var client = open().send(hex("8105")).send("Hello")) {
            assertCloses(1002, client);
        }
    }

    @Test
    void lengthsAreWrittenInTheFewestBytesAndHave63Bits() throws Exception {
        for (var head : new String[] {"81fe0005", "81ff0000000000000005", "81ffffffffffffffffff"}) {
            try (var client = open().send(hex(head + "00000000")).send("Hello")) {
                assertCloses(1002, client);
            }
        }
    }

    @Test
    void fragmentsArePutTogetherAndControlFramesMayLieBetween() throws Exception {
        try (var client = open()) {
            client.frame(FIRST_TEXT, utf8("frag"))
                    .frame(PING, utf8("between"))
                    .frame(MORE, NOTHING)
                    .frame(PONG, NOTHING)
                    .frame(MORE, utf8("men"))
                    .frame(LAST, utf8("ts"));
            assertEcho(client, PONG, utf8("between"));
            assertEcho(client, TEXT, utf8("fragments"));
            client.frame(FIRST_BINARY, hex("00ff")).frame(LAST, hex("fe"));
            assertEcho(client, BINARY, hex("00fffe"));
        }
    }

    @Test
    void emptyFragmentsMayStandAnywhere() throws Exception {
        try (var client = open()) {
            client.frame(FIRST_TEXT, NOTHING).frame(MORE, utf8("middle")).frame(LAST, NOTHING);
            assertEcho(client, TEXT, utf8("middle"));
            client.frame(FIRST_BINARY, NOTHING).frame(MORE, NOTHING).frame(LAST, utf8("end"));
            assertEcho(client, BINARY, utf8("end"));
            client.frame(FIRST_TEXT, NOTHING).frame(LAST, NOTHING);
            assertEcho(client, TEXT, NOTHING);
        }
    }

    @Test
    void aMessageInManyFragmentsComesBackWhole() throws Exception {
        var text = utf8("κόσμε".repeat(6_000));
        try (var client = open()) {
            // Of 7 bytes, so that characters lie across the cuts.
            for (var at = 0; at < text.length; at += 7) {
                var end = Math.min(at + 7, text.length);
                var first = (end == text.length ? 0x80 : 0) | (at == 0 ? FIRST_TEXT : MORE);
                client.frame(first, Arrays.copyOfRange(text, at, end));
            }
            assertEcho(client, TEXT, text);
        }
    }

    @Test
    void fragmentsOutOfOrderAreRefused() throws Exception {
        assertRefused(1002, LAST, utf8("nothing to go on with"));
        assertRefused(1002, MORE, utf8("nothing to go on with"));
        for (var second : new int[] {TEXT, FIRST_TEXT, BINARY, FIRST_BINARY}) {
            try (var client = open().frame(FIRST_TEXT, utf8("a")).frame(second, utf8("b"))) {
                assertCloses(1002, client);
            }
        }
    }

    @Test
    void theHandshakesHeadersAreReadAsHttpHasThem() throws Exception {
        try (var client = worker.raw()
                .send("GET /echo HTTP/1.1\r\nhost: worker\r\nUPGRADE: WebSocket\r\nConnection: keep-alive, UPGRADE\r\n"
                        + "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n")) {
            var head = client.head();
            // RFC 6455, 1.3.
            assertTrue(head.contains("s3pPLMBiTxaQ9kYGzzhZRbK+xOo="), head);
            assertEcho(client.frame(PING, NOTHING), PONG, NOTHING);
        }
    }
}
