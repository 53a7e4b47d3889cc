package dev.llmworker.files;

import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.charset.CharacterCodingException;
import java.nio.charset.Charset;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;

/// Reads text that people write, on Windows too: settings, keys, certificates, routes.
///
/// A byte order mark at the beginning is no part of the text. It chooses the encoding, which is UTF-8 without one: some
/// Windows programs write UTF-16. Lines may end in any way.
public final class TextFile {
    /// Stands for bytes that are not of the file's encoding.
    public static final char UNREADABLE = '\uFFFD';

    private static final String MARK = "\uFEFF";
    private static final List<Charset> UTF_16 = List.of(StandardCharsets.UTF_16LE, StandardCharsets.UTF_16BE);

    private TextFile() {}

    /// @throws IOException if the file cannot be read, or a line of it is not of the file's encoding
    public static String read(Path file) throws IOException {
        var bytes = Files.readAllBytes(file);
        var text = text(bytes);
        // A file may also have this very character.
        if (text.indexOf(UNREADABLE) >= 0 && !isValid(bytes)) {
            var before = text.substring(0, text.indexOf(UNREADABLE));
            throw new IOException("line " + before.split("\\R", -1).length + " is not " + encoding(bytes));
        }
        return text;
    }

    /// Bytes that are not of the encoding become [#UNREADABLE].
    public static String text(byte[] bytes) {
        return withoutMark(new String(bytes, encoding(bytes)));
    }

    private static boolean isValid(byte[] bytes) {
        try {
            encoding(bytes).newDecoder().decode(ByteBuffer.wrap(bytes));
            return true;
        } catch (CharacterCodingException _) {
            return false;
        }
    }

    private static Charset encoding(byte[] bytes) {
        return UTF_16.stream()
                .filter(encoding -> {
                    var mark = MARK.getBytes(encoding);
                    return bytes.length >= mark.length && bytes[0] == mark[0] && bytes[1] == mark[1];
                })
                .findFirst()
                .orElse(StandardCharsets.UTF_8);
    }

    /// A text that may begin with a byte order mark, such as a variable that holds a file's content.
    public static String withoutMark(String text) {
        return text.startsWith(MARK) ? text.substring(MARK.length()) : text;
    }
}
